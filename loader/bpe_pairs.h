// The merge table of byte-pair encoding: (left id, right id) -> rank and product. Flat, open addressing with
// linear probing: a lookup costs one cache miss, which for Gemma's 514906 merges is what encoding waits for.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "loader/bpe_hash.h"

namespace gemma {

inline constexpr uint32_t kNoRank = UINT32_MAX;

class BpePairs {
 public:
  struct Merge {
    int32_t left = -1;
    int32_t right = -1;
    uint32_t rank = kNoRank;  // lower merges first
    int32_t product = -1;
  };

  // Room for `merges` entries at a load of at most one half.
  explicit BpePairs(size_t merges)
      : slots_(std::bit_ceil(2 * merges + 2)),
        shift_(64 - static_cast<unsigned>(std::countr_zero(slots_.size()))) {}

  // The merge of two neighbours; its rank is kNoRank if they do not merge.
  const Merge& find(int32_t left, int32_t right) const { return slots_[slot_of(left, right)]; }

  // Adds a merge. False, and nothing changes, if the pair is there already. Requires room.
  bool insert(const Merge& merge) {
    Merge& slot = slots_[slot_of(merge.left, merge.right)];
    if (slot.rank != kNoRank) return false;
    slot = merge;
    return true;
  }

  // All merges, best first.
  std::vector<Merge> by_rank() const {
    std::vector<Merge> merges;
    for (const Merge& slot : slots_) {
      if (slot.rank != kNoRank) merges.push_back(slot);
    }
    std::sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) { return a.rank < b.rank; });
    return merges;
  }

  void prefetch(int32_t left, int32_t right) const { __builtin_prefetch(&slots_[home(left, right)]); }

  // visit(begin, bytes) of every block of memory held.
  template <typename Visit>
  void list_memory(const Visit& visit) const {
    visit(slots_.data(), slots_.capacity() * sizeof(Merge));
  }

 private:
  size_t home(int32_t left, int32_t right) const {
    return hash_slot(static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right), multiplier_, shift_);
  }

  // The slot that holds the pair, or the free one where it belongs.
  size_t slot_of(int32_t left, int32_t right) const {
    size_t slot = home(left, right);
    while (slots_[slot].rank != kNoRank && (slots_[slot].left != left || slots_[slot].right != right)) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    return slot;
  }

  std::vector<Merge> slots_;  // a power of two of them
  unsigned shift_;
  uint64_t multiplier_ = hash_multiplier();
};

}  // namespace gemma
