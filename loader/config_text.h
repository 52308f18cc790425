// A ModelConfig as one line of text: two are equal if and only if their texts are. For fingerprints.
#pragma once

#include <string>

#include "loader/config.h"

namespace gemma {

// Every field, in order; floats to the last bit.
std::string config_text(const ModelConfig& config);

}  // namespace gemma
