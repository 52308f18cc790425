// The keys of a GGUF file that describe a model and its tokenizer (docs/formats/gguf.md), for
// engine/gguf_export.h.
#pragma once

#include "engine/gguf_export.h"
#include "loader/gguf_writer.h"
#include "loader/result.h"

namespace gemma {

// general.*, gemma4.* and tokenizer.*. kUnsupported for a model that the keys cannot describe.
Result<void> add_gguf_keys(const GgufContent& content, GgufTensorType type, GgufWriter& writer);

// rope_freqs.weight: a divisor for every pair of a full layer's head, 1 where it turns, 1e30 where it stands.
// Empty without full layers.
std::vector<float> gguf_rope_freqs(const ModelConfig& config);

}  // namespace gemma
