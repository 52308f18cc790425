// What the AVX2 integer kernels share: cutting a call into panels and tiles of tokens, and the int16 sums of
// one group of nibbles.
//
// One line of a panel is two registers of 8 rows, 4 columns a row, so an activation enters as 4 columns
// broadcast to every row. vpmaddubsw multiplies unsigned nibbles (level + 8, at most 15) by signed
// activations and adds pairs: at most 15 * 128 * 2 = 3840 in magnitude. Eight of them, one per 4 columns of a
// group of 32, stay within int16 (30720), so the sums are widened once per group. The 8 that every level is
// too large costs 8 * (sum of the activations), subtracted after widening.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/activations.h"
#include "kernels/matrix.h"

// Functions carry their instruction set themselves: no file needs a flag of its own, and nothing but these
// functions may be compiled to instructions that a CPU lacks. No FMA: products are rounded as in portable.
#define GEMMA_AVX2 [[gnu::target("avx2,f16c")]]
#define GEMMA_AVX2_INLINE [[gnu::target("avx2,f16c"), gnu::always_inline]] inline

namespace gemma::kernels::avx2 {

inline constexpr size_t kLine = 64;
inline constexpr size_t kNibbleGroupBytes = 4 * kLine;  // 32 columns of 16 rows

// Tokens that share one reading of the weights: 6 x 2 sums, two registers of weights, the activations and a
// product are the 16 registers there are.
inline constexpr size_t kTileTokens = 6;

GEMMA_AVX2_INLINE __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// A hint for weights that a tile of T tokens will want soon, as far ahead as with AVX-512 (avx512vnni/panel.h
// has the figures). Here 1, 2, 4 and 8 KB read matrices from memory equally fast, about 37 GB/s with two
// threads. It may point beyond the matrix: it never faults.
template <size_t T>
GEMMA_AVX2_INLINE void prefetch(const std::byte* line) {
  constexpr size_t kAhead = T == 1 ? 4096 : 1024;
  const uintptr_t address = reinterpret_cast<uintptr_t>(line) + kAhead;
  _mm_prefetch(reinterpret_cast<const char*>(address), _MM_HINT_T0);
}

// Columns x[0..4) for every row.
GEMMA_AVX2_INLINE __m256i broadcast4(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

// sum + nibbles * columns in int16. The empty statement makes the compiler add here and now: left to itself
// GCC keeps dozens of products to add them as a tree, and spills them.
GEMMA_AVX2_INLINE void multiply_add(__m256i& sum, __m256i nibbles, __m256i columns) {
  sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(nibbles, columns));
  asm("" : "+x"(sum));
}

// sums[t][half] = int16 sums of one group, two lanes a row (8 rows in a half): nibbles times activations.
// Token t's 32 columns are at x + t * x_stride.
template <size_t T>
GEMMA_AVX2_INLINE void multiply_group(const std::byte* lines, const int8_t* x, size_t x_stride,
                                      __m256i (&sums)[T][2]) {
  const __m256i low_nibbles = _mm256_set1_epi8(15);
  for (size_t t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
#pragma GCC unroll 4
  for (size_t line = 0; line < 4; ++line) {
    prefetch<T>(lines + line * kLine);
    const __m256i packed0 = load(lines + line * kLine);
    const __m256i packed1 = load(lines + line * kLine + 32);
    const __m256i low0 = _mm256_and_si256(packed0, low_nibbles);
    const __m256i low1 = _mm256_and_si256(packed1, low_nibbles);
    for (size_t t = 0; t < T; ++t) {
      const __m256i columns = broadcast4(x + t * x_stride + line * 8);
      multiply_add(sums[t][0], low0, columns);
      multiply_add(sums[t][1], low1, columns);
    }
    const __m256i high0 = _mm256_and_si256(_mm256_srli_epi16(packed0, 4), low_nibbles);
    const __m256i high1 = _mm256_and_si256(_mm256_srli_epi16(packed1, 4), low_nibbles);
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

// Stores float(sum) * (w_scale * x_scale) of a panel's first `rows` rows: kernels with one scale a row and
// token.
GEMMA_AVX2_INLINE void store_scaled(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                    __m256i sums0, __m256i sums1, size_t rows, float* out) {
  const float* scales = w.scales + panel * kPanelRows;
  const __m256 x_scale = _mm256_set1_ps(acts.scales[token]);
  const __m256 scale0 = _mm256_mul_ps(_mm256_loadu_ps(scales), x_scale);
  const __m256 scale1 = _mm256_mul_ps(_mm256_loadu_ps(scales + 8), x_scale);
  store_rows(_mm256_mul_ps(_mm256_cvtepi32_ps(sums0), scale0),
             _mm256_mul_ps(_mm256_cvtepi32_ps(sums1), scale1), rows, out);
}

// Calls Kernel::tile<T>(w, acts, panel, first token, rows wanted, out of that panel and token, out_stride)
// for every panel of rows [row0, row1) and every tile of tokens. Tokens are the inner loop: a panel is read
// from memory once and stays in the cache for the others.
template <typename Kernel>
inline void for_each_tile(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                          size_t out_stride) {
  for (size_t row = row0; row < row1; row += kPanelRows) {
    const size_t rows = std::min(kPanelRows, row1 - row);
    const size_t panel = row / kPanelRows;
    size_t t = 0;
    for (; t + kTileTokens <= acts.tokens; t += kTileTokens) {
      Kernel::template tile<kTileTokens>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
    for (; t + 2 <= acts.tokens; t += 2) {
      Kernel::template tile<2>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
    for (; t < acts.tokens; ++t) {
      Kernel::template tile<1>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
  }
}

}  // namespace gemma::kernels::avx2
