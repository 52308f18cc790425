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

// Asks for the lines that the results of tokens [0, tokens) will be stored to: a panel's are a row apart,
// each on a page of its own, and storing them cold took 6 % of a product of 256 tokens (AVX2, 6144 x 1536).
inline void expect_outputs(const float* out, size_t tokens, size_t out_stride) {
  for (size_t t = 0; t < tokens; ++t) __builtin_prefetch(out + t * out_stride, 1, 2);
}

}  // namespace gemma::kernels
