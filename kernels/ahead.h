// Asks for memory that will be wanted soon, in shares: what the next block of a matrix needs comes while the
// tiles of this one are multiplied.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace gemma::kernels {

class Ahead {
 public:
  // `bytes` bytes from `begin`, which may lie beyond the matrix (asking never faults), in `shares` shares.
  Ahead(const std::byte* begin, size_t bytes, size_t shares)
      : next_(reinterpret_cast<uintptr_t>(begin)),
        end_(next_ + bytes),
        share_(bytes / std::max<size_t>(1, shares) + kLineBytes) {}

  void fetch_share() {
    for (const uintptr_t stop = std::min(end_, next_ + share_); next_ < stop; next_ += kLineBytes) {
      __builtin_prefetch(reinterpret_cast<const void*>(next_), 0, 2);  // to read, into the second-level cache
    }
  }

 private:
  static constexpr uintptr_t kLineBytes = 64;
  uintptr_t next_, end_;
  size_t share_;
};

}  // namespace gemma::kernels
