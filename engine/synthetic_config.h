// The sizes of the Gemma 4 family as config.json texts, so that a synthetic checkpoint goes through the same
// parser as a real one, and what a user writes to ask for one: "synthetic:e2b", "synthetic:12b:7".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "loader/config.h"
#include "loader/generation_config.h"
#include "loader/result.h"

namespace gemma {

struct SyntheticSpec {
  std::string size;   // "tiny", "e2b", "e4b", "12b", "26b-a4b" or "31b"
  uint64_t seed = 0;  // other seeds give other weights of the same shapes
};

// Whether a model's name asks for a synthetic checkpoint: it begins with "synthetic:".
bool is_synthetic(std::string_view model);

// Parses "synthetic:SIZE" or "synthetic:SIZE:SEED"; SEED is a decimal number below 2^64. Errors are kUsage.
Result<SyntheticSpec> parse_synthetic(std::string_view model);

// "synthetic:SIZE:SEED", for reports: parse_synthetic of it gives `spec` again.
std::string to_string(const SyntheticSpec& spec);

// The config.json of a size, in the spelling of the published checkpoints (nested text_config). `tiny` is no
// published size: 6 layers and 2048 tokens, with every trait of E2B (per-layer embeddings, shared KV,
// double-wide MLP, two head dims, a sliding window of 16 tokens). An unknown size is kUsage with the list of
// sizes.
Result<std::string> synthetic_config_json(std::string_view size);

// The same, resolved.
Result<ModelConfig> synthetic_config(std::string_view size);

// What the -it checkpoints ship: sampling at temperature 1.0, top-k 64, top-p 0.95, until one of the ids 1,
// 106, 50; on 12b the ids of the two media end marks are suppressed.
GenerationConfig synthetic_generation_config(std::string_view size);

}  // namespace gemma
