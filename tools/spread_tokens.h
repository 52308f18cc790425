// A prompt for measurements: ids spread over the whole vocabulary, so that rows of tables are read here and
// there as by a text. Speed and memory do not depend on which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gemma {

std::vector<int32_t> spread_tokens(size_t tokens, size_t vocab_size);

}  // namespace gemma
