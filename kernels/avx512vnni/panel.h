// What the AVX-512 VNNI integer kernels share: cutting a call into panels and tiles of tokens.
//
// A line of a panel is one register of 16 rows. vpdpbusd multiplies the 4 unsigned bytes of a row by the 4
// signed activations it is broadcast with and adds all to the row's int32 sum: nothing can saturate. Nibbles
// are unsigned as stored (level + 8), int8 levels become so by flipping their sign bit (level + 128); what
// that adds, 8 or 128 times the sum of the activations, is where the sums begin, negated.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/activations.h"
#include "kernels/avx512_intrinsics.h"
#include "kernels/matrix.h"
#include "kernels/streams.h"

// Functions carry their instruction set themselves: no file needs a flag of its own.
#define GEMMA_AVX512 [[gnu::target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]]
#define GEMMA_AVX512_INLINE \
  [[gnu::target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"), gnu::always_inline]] inline

namespace gemma::kernels::avx512vnni {

inline constexpr size_t kLine = 64;
inline constexpr size_t kNibbleGroupBytes = 4 * kLine;  // 32 columns of 16 rows

// Sums that a tile of several tokens holds: vpdpbusd takes 5 cycles and two may start in each, so eight sums
// and more in flight keep it busy; as many float sums beside them leave half of the 32 registers.
inline constexpr size_t kTileSums = 8;

GEMMA_AVX512_INLINE __m512i load(const void* p) {
  return _mm512_loadu_si512(p);
}

// Columns x[0..4) for every row.
GEMMA_AVX512_INLINE __m512i broadcast4(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

// The int32 sums of 16 rows for P panels and T tokens, each in one or two chains of additions: two where
// tiles are small, for shorter chains.
template <size_t P, size_t T, size_t Chains = 2>
struct Sums {
  __m512i chains[P][T][Chains];

  GEMMA_AVX512_INLINE void begin(size_t p, size_t t, __m512i first) {
    chains[p][t][0] = first;
    if constexpr (Chains == 2) chains[p][t][1] = _mm512_setzero_si512();
  }
  // Adds the products of 4 columns a row; products with an even and an odd `i` go to different chains.
  GEMMA_AVX512_INLINE void add(size_t i, size_t p, size_t t, __m512i unsigned_side, __m512i signed_side) {
    __m512i& sum = chains[p][t][i % Chains];
    sum = _mm512_dpbusd_epi32(sum, unsigned_side, signed_side);
  }
  GEMMA_AVX512_INLINE __m512i all(size_t p, size_t t) const {
    if constexpr (Chains == 1) {
      return chains[p][t][0];
    } else {
      return _mm512_add_epi32(chains[p][t][0], chains[p][t][1]);
    }
  }
};

// Adds the products of one group of nibbles; panel p's are `apart` bytes after those of the one before, token
// t's 32 columns at x + t * x_stride. Each register of weights meets each broadcast of activations: a load
// for every vpdpbusd would be one too many, Zen 4 can do one of 512 bits a cycle.
template <size_t P, size_t T, size_t Chains>
GEMMA_AVX512_INLINE void multiply_group(const std::byte* lines, size_t apart, const int8_t* x,
                                        size_t x_stride, Sums<P, T, Chains>& sums) {
  const __m512i low_nibbles = _mm512_set1_epi8(15);
#pragma GCC unroll 4
  for (size_t line = 0; line < 4; ++line) {
    __m512i low[P], high[P];
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      const std::byte* packed_line = lines + p * apart + line * kLine;
      const __m512i packed = load(packed_line);
      ask_ahead<P, T>(packed_line);
      low[p] = _mm512_and_si512(packed, low_nibbles);
      high[p] = _mm512_and_si512(_mm512_srli_epi16(packed, 4), low_nibbles);
    }
    for (size_t t = 0; t < T; ++t) {
      const __m512i columns = broadcast4(x + t * x_stride + line * 8);
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) sums.add(0, p, t, low[p], columns);
    }
    for (size_t t = 0; t < T; ++t) {
      const __m512i columns = broadcast4(x + t * x_stride + line * 8 + 4);
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) sums.add(1, p, t, high[p], columns);
    }
  }
}

// The first n of a panel's 16 results.
GEMMA_AVX512_INLINE void store_rows(__m512 rows, size_t n, float* out) {
  _mm512_mask_storeu_ps(out, static_cast<__mmask16>((1u << n) - 1), rows);
}

// Calls Kernel::tile<P, T>(w, acts, place) for every panel of rows [row0, row1) and every tile of tokens.
// Tokens are the inner loop: panels are read from memory once and stay in the cache for the others.
// Kernel::kPanels is how many panels tiles of several tokens have.
template <typename Kernel>
inline void for_each_tile(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                          size_t out_stride) {
  if (acts.tokens == 1) return for_each_stream<Kernel>(w, acts, row0, row1, out);
  const auto tiles = [&]<size_t P>(size_t row, size_t rows, size_t& t) {
    constexpr size_t kTokens = kTileSums / P;
    for (; t + kTokens <= acts.tokens; t += kTokens) {
      Kernel::template tile<P, kTokens>(
          w, acts, {row / kPanelRows, 1, t, rows, out + t * out_stride + row, out_stride});
    }
  };
  const auto rest = [&](size_t row, size_t t) {
    const size_t rows = std::min(kPanelRows, row1 - row);
    tiles.template operator()<1>(row, rows, t);
    for (; t + 3 <= acts.tokens; t += 3) {
      Kernel::template tile<1, 3>(w, acts,
                                  {row / kPanelRows, 0, t, rows, out + t * out_stride + row, out_stride});
    }
    for (; t < acts.tokens; ++t) {
      Kernel::template tile<1, 1>(w, acts,
                                  {row / kPanelRows, 0, t, rows, out + t * out_stride + row, out_stride});
    }
  };
  size_t row = row0;
  if constexpr (Kernel::kPanels == 2) {
    for (; row + kPanelRows < row1; row += 2 * kPanelRows) {
      size_t t = 0;
      tiles.template operator()<2>(row, std::min(2 * kPanelRows, row1 - row) - kPanelRows, t);
      rest(row, t);
      rest(row + kPanelRows, t);
    }
  }
  for (; row < row1; row += kPanelRows) rest(row, 0);
}

}  // namespace gemma::kernels::avx512vnni
