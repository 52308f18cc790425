// A config.json for a ModelConfig that came from elsewhere: a GGUF file's metadata, a synthetic model. Flat,
// in the spelling of today's transformers (`per_layer_config`).
#pragma once

#include <string>

#include "loader/config.h"
#include "loader/generation_config.h"
#include "loader/result.h"

namespace gemma {

// parse_config() of the text gives `config` again. kUnsupported if config.json has no words for it (widths of
// the MLP that differ otherwise than by doubling on the layers that share KV).
Result<std::string> config_json(const ModelConfig& config);

// A generation_config.json that reads back as `generation`.
std::string generation_config_json(const GenerationConfig& generation);

}  // namespace gemma
