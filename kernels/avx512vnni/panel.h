// What the AVX-512 VNNI integer kernels share: cutting a call into panels and tiles of tokens.
//
// A line of a panel is one register of 16 rows. vpdpbusd multiplies the 4 unsigned bytes of a row by the 4
// signed activations it is broadcast with and adds all to the row's int32 sum: nothing can saturate. Nibbles
// are unsigned as stored (level + 8), int8 levels become so by flipping their sign bit (level + 128); what
// that adds, 8 or 128 times the sum of the activations, is where the sums begin, negated.
#pragma once

// GCC 12 takes the deliberately undefined registers of its own AVX-512 header for mistakes (its bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/activations.h"
#include "kernels/matrix.h"

// Functions carry their instruction set themselves: no file needs a flag of its own.
#define GEMMA_AVX512 [[gnu::target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]]
#define GEMMA_AVX512_INLINE \
  [[gnu::target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"), gnu::always_inline]] inline

namespace gemma::kernels::avx512vnni {

inline constexpr size_t kLine = 64;
inline constexpr size_t kNibbleGroupBytes = 4 * kLine;  // 32 columns of 16 rows

// Tokens that share one reading of the weights. vpdpbusd takes 5 cycles and two may start in each: eight sums
// and more in flight keep it busy, and 8 integer and 8 float sums leave half of the 32 registers.
inline constexpr size_t kTileTokens = 8;

// Of a tile of two panels: again 8 integer and 8 float sums.
inline constexpr size_t kPairTokens = 4;

GEMMA_AVX512_INLINE __m512i load(const void* p) {
  return _mm512_loadu_si512(p);
}

// A hint for weights that a tile of T tokens will want soon, as far ahead as measured best. One token takes a
// line in some nanoseconds, so what is to come from memory in time is 4 KB ahead: decode of E2B, 30 to 40
// tokens/s where memory is fast, gained 5 % over 1 KB. It may point beyond the matrix: it never faults.
template <size_t T>
GEMMA_AVX512_INLINE void prefetch(const std::byte* line) {
  constexpr size_t kAhead = T == 1 ? 4096 : 1024;
  const uintptr_t address = reinterpret_cast<uintptr_t>(line) + kAhead;
  _mm_prefetch(reinterpret_cast<const char*>(address), _MM_HINT_T0);
}

// Columns x[0..4) for every row.
GEMMA_AVX512_INLINE __m512i broadcast4(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

// Adds the products of one group of nibbles to sums[t]; token t's 32 columns are at x + t * x_stride. The
// high nibbles are summed apart, for shorter chains where tokens are few.
template <size_t T>
GEMMA_AVX512_INLINE void multiply_group(const std::byte* lines, const int8_t* x, size_t x_stride,
                                        __m512i (&low_sums)[T], __m512i (&high_sums)[T]) {
  const __m512i low_nibbles = _mm512_set1_epi8(15);
#pragma GCC unroll 4
  for (size_t line = 0; line < 4; ++line) {
    const __m512i packed = load(lines + line * kLine);
    prefetch<T>(lines + line * kLine);
    const __m512i low = _mm512_and_si512(packed, low_nibbles);
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(packed, 4), low_nibbles);
    for (size_t t = 0; t < T; ++t) {
      const int8_t* columns = x + t * x_stride + line * 8;
      low_sums[t] = _mm512_dpbusd_epi32(low_sums[t], low, broadcast4(columns));
      high_sums[t] = _mm512_dpbusd_epi32(high_sums[t], high, broadcast4(columns + 4));
    }
  }
}

// The same for two panels at once, each of whose registers of weights meets each broadcast of activations:
// with one panel there is a load for every vpdpbusd, and Zen 4 can do one of 512 bits a cycle.
template <size_t T>
GEMMA_AVX512_INLINE void multiply_group_pair(const std::byte* const (&lines)[2], const int8_t* x,
                                             size_t x_stride, __m512i (&sums)[2][T]) {
  const __m512i low_nibbles = _mm512_set1_epi8(15);
#pragma GCC unroll 4
  for (size_t line = 0; line < 4; ++line) {
    __m512i low[2], high[2];
    for (size_t p = 0; p < 2; ++p) {
      const __m512i packed = load(lines[p] + line * kLine);
      prefetch<T>(lines[p] + line * kLine);
      low[p] = _mm512_and_si512(packed, low_nibbles);
      high[p] = _mm512_and_si512(_mm512_srli_epi16(packed, 4), low_nibbles);
    }
    for (size_t t = 0; t < T; ++t) {
      const __m512i columns = broadcast4(x + t * x_stride + line * 8);
      for (size_t p = 0; p < 2; ++p) sums[p][t] = _mm512_dpbusd_epi32(sums[p][t], low[p], columns);
    }
    for (size_t t = 0; t < T; ++t) {
      const __m512i columns = broadcast4(x + t * x_stride + line * 8 + 4);
      for (size_t p = 0; p < 2; ++p) sums[p][t] = _mm512_dpbusd_epi32(sums[p][t], high[p], columns);
    }
  }
}

// The first n of a panel's 16 results.
GEMMA_AVX512_INLINE void store_rows(__m512 rows, size_t n, float* out) {
  _mm512_mask_storeu_ps(out, static_cast<__mmask16>((1u << n) - 1), rows);
}

// Calls Kernel::tile<T>(w, acts, panel, first token, rows wanted, out of that panel and token, out_stride)
// for every panel of rows [row0, row1) and every tile of tokens. Tokens are the inner loop: a panel is read
// from memory once and stays in the cache for the others. A kernel that has a `pair` of the same form gets
// two panels at a time, as long as tokens are left for a tile.
template <typename Kernel>
inline void for_each_tile(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                          size_t out_stride) {
  const auto one_panel = [&](size_t row, size_t t) {
    const size_t rows = std::min(kPanelRows, row1 - row);
    const size_t panel = row / kPanelRows;
    for (; t + kTileTokens <= acts.tokens; t += kTileTokens) {
      Kernel::template tile<kTileTokens>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
    for (; t + 3 <= acts.tokens; t += 3) {
      Kernel::template tile<3>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
    for (; t < acts.tokens; ++t) {
      Kernel::template tile<1>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
  };
  size_t row = row0;
  if constexpr (requires { &Kernel::template pair<kPairTokens>; }) {
    const size_t tiled = acts.tokens / kPairTokens * kPairTokens;
    for (; tiled > 0 && row + kPanelRows < row1; row += 2 * kPanelRows) {
      const size_t rows = std::min(2 * kPanelRows, row1 - row);
      for (size_t t = 0; t < tiled; t += kPairTokens) {
        Kernel::template pair<kPairTokens>(w, acts, row / kPanelRows, t, rows, out + t * out_stride + row,
                                           out_stride);
      }
      one_panel(row, tiled);
      one_panel(row + kPanelRows, tiled);
    }
  }
  for (; row < row1; row += kPanelRows) one_panel(row, 0);
}

}  // namespace gemma::kernels::avx512vnni
