// What a GGUF file of architecture "gemma4" says of its model, as the config.json and generation_config.json
// of a checkpoint would: keys "gemma4.*", and the ids of "tokenizer.ggml.*". docs/formats/gguf.md lists the
// keys.
//
// What no key says is read off the tensors: the vocabulary (rows of token_embd), a head of its own (output),
// K = V (a full layer that owns its KV has no attn_v), and the share of a full layer's head that turns
// (rope_freqs: 1 for a pair that turns, 1e30 for one that does not).
#pragma once

#include "loader/config.h"
#include "loader/generation_config.h"
#include "loader/gguf_checkpoint.h"
#include "loader/result.h"

namespace gemma {

// All problems of the keys are told at once; codes as parse_config has them.
Result<ModelConfig> read_gguf_config(const GgufCheckpoint& checkpoint);

// Ends of a generation: eos, eot and eom of the file; where it has a chat template also "<turn|>" and
// "<|tool_response>", which end a turn of an instruction-tuned Gemma 4. Defaults of sampling from
// general.sampling.* if they are there.
Result<GenerationConfig> read_gguf_generation_config(const GgufFile& file);

// tokenizer.chat_template; empty if there is none. kResource beyond 64 MiB.
Result<std::string> read_gguf_chat_template(const GgufFile& file);

}  // namespace gemma
