#include "loader/bpe_junctions.h"

#include <utility>

namespace gemma {

BpeJunctions::BpeJunctions() : slots_(1024), shift_(64 - 10) {}

void BpeJunctions::insert(char32_t left, char32_t right) {
  if (left < kAscii && right < kAscii) {
    ascii_.set(left * kAscii + right);
    return;
  }
  const size_t slot = find(key(left, right));
  if (slots_[slot] != 0) return;
  slots_[slot] = key(left, right);
  if (2 * ++size_ <= slots_.size()) return;

  const std::vector<uint64_t> old = std::exchange(slots_, std::vector<uint64_t>(2 * slots_.size()));
  --shift_;
  for (const uint64_t pair : old) {
    if (pair != 0) slots_[find(pair)] = pair;
  }
}

}  // namespace gemma
