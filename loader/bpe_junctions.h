// Which neighbouring characters a merge can ever join. A merge (left, right) reaches across exactly one pair
// of characters: the last of left and the first of right. Where a text has a pair that no merge reaches
// across, no token can span it, and byte-pair encoding of the two sides is independent: cutting there is
// exact. This is what turns a document, which to Gemma is one single BPE word, into short words ("▁the") that
// can be cached.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "loader/bpe_hash.h"

namespace gemma {

class BpeJunctions {
 public:
  BpeJunctions();

  // A merge reaches across (left, right).
  void insert(char32_t left, char32_t right);

  // Whether some merge reaches across (left, right).
  bool contains(char32_t left, char32_t right) const {
    if (left < kAscii && right < kAscii) return ascii_[left * kAscii + right];
    return slots_[find(key(left, right))] != 0;
  }

  size_t size() const { return size_; }

  // visit(begin, bytes) of every block of memory held.
  template <typename Visit>
  void list_memory(const Visit& visit) const {
    visit(slots_.data(), slots_.capacity() * sizeof(uint64_t));
  }

 private:
  static constexpr size_t kAscii = 128;

  // Never 0, which marks a free slot: a pair of ASCII characters lives in ascii_.
  static uint64_t key(char32_t left, char32_t right) { return static_cast<uint64_t>(left) << 32 | right; }

  // The slot that holds the key, or the free one where it belongs.
  size_t find(uint64_t key) const {
    size_t slot = hash_slot(key, multiplier_, shift_);
    while (slots_[slot] != 0 && slots_[slot] != key) slot = (slot + 1) & (slots_.size() - 1);
    return slot;
  }

  std::bitset<kAscii * kAscii> ascii_;
  std::vector<uint64_t> slots_;  // open addressing; a power of two, at most half full
  unsigned shift_;
  size_t size_ = 0;  // pairs beyond ASCII
  uint64_t multiplier_ = hash_multiplier();
};

}  // namespace gemma
