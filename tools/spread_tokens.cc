#include "tools/spread_tokens.h"

namespace gemma {

std::vector<int32_t> spread_tokens(size_t tokens, size_t vocab_size) {
  constexpr size_t kStride =
      7919;  // a prime, so that most vocabularies are walked through before an id repeats
  std::vector<int32_t> ids(tokens);
  for (size_t i = 0; i < tokens; ++i) ids[i] = static_cast<int32_t>((2 + i * kStride) % vocab_size);
  return ids;
}

}  // namespace gemma
