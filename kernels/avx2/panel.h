// What the AVX2 integer kernels share: cutting a call into panels and tiles of tokens, going along panels, and
// the int16 sums of one group of nibbles.
//
// One line of a panel is two registers of 8 rows, 4 columns a row, so an activation enters as 4 columns
// broadcast to every row. vpmaddubsw multiplies nibbles as they are stored (level + 8, at most 15) by
// activations and adds pairs: at most 15 * 128 * 2 = 3840 in magnitude, and eight of them, one per 4 columns of
// a group of 32, stay within int16 (30720). So the sums are widened once per group. The 8 that every level is
// too large costs 8 * (sum of the activations), taken out where widened sums begin or, with scales inside, after
// widening.
//
// One token reads kStreams panels side by side, a group of each in turn; its int32 or float32 sums of 8 x 8
// rows stay in registers, or close by.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/activations.h"
#include "kernels/matrix.h"
#include "kernels/streams.h"

// Functions carry their instruction set themselves: no file needs a flag of its own, and nothing but these
// functions may be compiled to instructions that a CPU lacks. No FMA: products are rounded as in portable.
#define GEMMA_AVX2 [[gnu::target("avx2,f16c")]]
#define GEMMA_AVX2_INLINE [[gnu::target("avx2,f16c"), gnu::always_inline]] inline

namespace gemma::kernels::avx2 {

inline constexpr size_t kLine = 64;
inline constexpr size_t kNibbleGroupBytes = 4 * kLine;  // 32 columns of 16 rows
inline constexpr size_t kByteGroupLines = kGroup / 4;
inline constexpr size_t kByteGroup = kByteGroupLines * kLine;

// Tokens that share one reading of the weights: 6 x 2 sums, two registers of weights, the activations and a
// product are the 16 registers there are.
inline constexpr size_t kTileTokens = 6;

GEMMA_AVX2_INLINE __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// Columns x[0..4) for every row.
GEMMA_AVX2_INLINE __m256i broadcast4(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

// sum + weights * columns in int16; weights are unsigned. The empty statement makes the compiler add here and
// now: left to itself GCC keeps dozens of products to add them as a tree, and spills them.
GEMMA_AVX2_INLINE void multiply_add(__m256i& sum, __m256i weights, __m256i columns) {
  sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(weights, columns));
  asm("" : "+x"(sum));
}

// sums[t][half] = int16 sums of one group, two lanes a row (8 rows in a half): nibbles times activations. Token
// t's 32 columns are at x + t * x_stride.
template <size_t P, size_t T>
GEMMA_AVX2_INLINE void multiply_group(const std::byte* lines, const int8_t* x, size_t x_stride,
                                      __m256i (&sums)[T][2]) {
  const __m256i low_nibbles = _mm256_set1_epi8(15);
#pragma GCC unroll 6
  for (size_t t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
#pragma GCC unroll 4
  for (size_t line = 0; line < 4; ++line) {
    ask_ahead<P, T>(lines + line * kLine);
    const __m256i packed0 = load(lines + line * kLine);
    const __m256i packed1 = load(lines + line * kLine + 32);
    const __m256i low0 = _mm256_and_si256(packed0, low_nibbles);
    const __m256i low1 = _mm256_and_si256(packed1, low_nibbles);
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      const __m256i columns = broadcast4(x + t * x_stride + line * 8);
      multiply_add(sums[t][0], low0, columns);
      multiply_add(sums[t][1], low1, columns);
    }
    const __m256i high0 = _mm256_and_si256(_mm256_srli_epi16(packed0, 4), low_nibbles);
    const __m256i high1 = _mm256_and_si256(_mm256_srli_epi16(packed1, 4), low_nibbles);
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      const __m256i columns = broadcast4(x + t * x_stride + line * 8 + 4);
      multiply_add(sums[t][0], high0, columns);
      multiply_add(sums[t][1], high1, columns);
    }
  }
}

// The two int16 lanes of every row, added in int32.
GEMMA_AVX2_INLINE __m256i widen(__m256i sums) {
  return _mm256_madd_epi16(sums, _mm256_set1_epi16(1));
}

GEMMA_AVX2_INLINE void add_widened(__m256i sums, __m256i& total) {
  total = _mm256_add_epi32(total, widen(sums));
  asm("" : "+x"(total));  // as above: here and now
}

template <size_t T>
GEMMA_AVX2_INLINE void add_widened(const __m256i (&sums)[T][2], __m256i (&total)[T][2]) {
#pragma GCC unroll 6
  for (size_t t = 0; t < T; ++t) {
    add_widened(sums[t][0], total[t][0]);
    add_widened(sums[t][1], total[t][1]);
  }
}

// Goes along panels without scales inside, Groups groups of 32 columns at a time, and along the columns of T
// tokens from x on. What is left of the last columns is copied behind one another, zeros behind them: columns
// of padding count nothing, whatever their weight.
template <size_t T, size_t Groups = 1>
class Steps {
 public:
  Steps(const MatrixView& w, const TilePlace& at, size_t group_bytes, const int8_t* x)
      : columns(x), stride(w.cols), left_(w.cols), group_bytes_(group_bytes) {
    const size_t panel_bytes = (w.cols + kGroup - 1) / kGroup * group_bytes;
    panel_ = w.data + at.panel * panel_bytes;
    apart_ = at.apart * panel_bytes;
    if (left_ < kColumns) copy_last();
  }
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;

  bool more() const { return left_ > 0; }
  void next() {
    panel_ += Groups * group_bytes_;
    columns += kColumns;
    left_ -= std::min(left_, kColumns);
    if (left_ > 0 && left_ < kColumns) copy_last();
  }
  const std::byte* panel(size_t p) const { return panel_ + p * apart_; }
  size_t apart() const { return apart_; }  // bytes from one panel to the next
  size_t groups() const { return Groups == 1 ? 1 : (std::min(left_, kColumns) + kGroup - 1) / kGroup; }

  const int8_t* columns;  // of the first token; the next one's are `stride` further on
  size_t stride;

 private:
  static constexpr size_t kColumns = Groups * kGroup;

  void copy_last() {
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      std::memset(last_[t], 0, kColumns);
      std::memcpy(last_[t], columns + t * stride, left_);
    }
    columns = last_[0];
    stride = kColumns;
  }

  size_t left_, group_bytes_, apart_;
  const std::byte* panel_;
  int8_t last_[T][kColumns];
};

// Stores the first n of a panel's 16 results.
GEMMA_AVX2_INLINE void store_rows(__m256 rows0, __m256 rows1, size_t n, float* out) {
  if (n == kPanelRows) {
    _mm256_storeu_ps(out, rows0);
    _mm256_storeu_ps(out + 8, rows1);
    return;
  }
  float all[kPanelRows];
  _mm256_storeu_ps(all, rows0);
  _mm256_storeu_ps(all + 8, rows1);
  std::memcpy(out, all, n * sizeof(float));
}

// Stores float32 totals as they are.
template <size_t P, size_t T>
GEMMA_AVX2_INLINE void store_totals(const TilePlace& at, const __m256 (&total)[P][T][2]) {
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      store_rows(total[p][t][0], total[p][t][1], at.rows_of(p, P), at.out_of(p, t));
    }
  }
}

// Calls Kernel::tile<P, T>(w, acts, place) for every panel of rows [row0, row1) and every tile of tokens.
// Tokens are the inner loop: a panel is read from memory once and stays in the cache for the others. One
// token reads kStreams panels side by side.
template <typename Kernel>
inline void for_each_tile(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                          size_t out_stride) {
  if (acts.tokens == 1) return for_each_stream<Kernel>(w, acts, row0, row1, out);
  for (size_t row = row0; row < row1; row += kPanelRows) {
    const auto place = [&](size_t t) {
      return TilePlace{row / kPanelRows,           0,         t, std::min(kPanelRows, row1 - row),
                       out + t * out_stride + row, out_stride};
    };
    size_t t = 0;
    for (; t + kTileTokens <= acts.tokens; t += kTileTokens) {
      Kernel::template tile<1, kTileTokens>(w, acts, place(t));
    }
    for (; t + 2 <= acts.tokens; t += 2) Kernel::template tile<1, 2>(w, acts, place(t));
    if (t < acts.tokens) Kernel::template tile<1, 1>(w, acts, place(t));
  }
}

}  // namespace gemma::kernels::avx2
