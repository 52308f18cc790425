// What the NEON integer kernels with sdot share: cutting a call into panels and tiles of tokens.
//
// A line of a panel is four registers of 4 rows. sdot multiplies the 4 signed bytes of a row by 4
// activations, which it takes from a lane of a register, so nothing has to be broadcast, and adds to the
// row's int32 sum: nothing can overflow. Nibbles are taken as stored (level + 8); what that adds, 8 times the
// sum of the activations, is where the sums begin, negated. Int8 levels need nothing.
#pragma once

#include "kernels/integer_kernels.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

#include <arm_neon.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/activations.h"
#include "kernels/matrix.h"

// Functions carry their instruction set themselves: no file needs a flag of its own.
#if defined(__clang__)
#define GEMMA_DOTPROD [[gnu::target("dotprod")]]
#define GEMMA_DOTPROD_INLINE [[gnu::target("dotprod"), gnu::always_inline]] inline
#else
#define GEMMA_DOTPROD [[gnu::target("arch=armv8.2-a+dotprod")]]
#define GEMMA_DOTPROD_INLINE [[gnu::target("arch=armv8.2-a+dotprod"), gnu::always_inline]] inline
#endif

namespace gemma::kernels::neon_dotprod {

inline constexpr size_t kLine = 64;
inline constexpr size_t kNibbleGroupBytes = 4 * kLine;  // 32 columns of 16 rows
inline constexpr size_t kQuarters = 4;                  // registers of 4 rows in a panel

// Tokens that share one reading of the weights: 4 x 4 sums, 4 registers of activations and the operands
// fit 32.
inline constexpr size_t kTileTokens = 4;

GEMMA_DOTPROD_INLINE uint8x16_t load_nibbles(const std::byte* p) {
  return vld1q_u8(reinterpret_cast<const uint8_t*>(p));
}
GEMMA_DOTPROD_INLINE int8x16_t load_levels(const std::byte* p) {
  return vld1q_s8(reinterpret_cast<const int8_t*>(p));
}

// Adds one line of nibbles: columns 0..3 meet lane L of the activations, columns 4..7 lane L + 1.
template <size_t T, int L>
GEMMA_DOTPROD_INLINE void multiply_line(const std::byte* line, const int8x16_t (&columns)[T],
                                        int32x4_t (&sums)[T][kQuarters]) {
  for (size_t i = 0; i < kQuarters; ++i) {
    const uint8x16_t packed = load_nibbles(line + i * 16);
    const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(packed, vdupq_n_u8(15)));
    const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(packed, 4));
    for (size_t t = 0; t < T; ++t) {
      sums[t][i] = vdotq_laneq_s32(sums[t][i], low, columns[t], L);
      sums[t][i] = vdotq_laneq_s32(sums[t][i], high, columns[t], L + 1);
    }
  }
}

// Adds the products of one group of nibbles; token t's 32 columns are at x + t * x_stride.
template <size_t T>
GEMMA_DOTPROD_INLINE void multiply_group(const std::byte* lines, const int8_t* x, size_t x_stride,
                                         int32x4_t (&sums)[T][kQuarters]) {
  int8x16_t columns[T];
  for (size_t half = 0; half < 2; ++half) {
    for (size_t t = 0; t < T; ++t) columns[t] = vld1q_s8(x + t * x_stride + half * 16);
    multiply_line<T, 0>(lines + 2 * half * kLine, columns, sums);
    multiply_line<T, 2>(lines + (2 * half + 1) * kLine, columns, sums);
  }
}

// Stores the first n of a panel's 16 results.
GEMMA_DOTPROD_INLINE void store_rows(const float32x4_t (&rows)[kQuarters], size_t n, float* out) {
  float all[kPanelRows];
  float* to = n == kPanelRows ? out : all;
  for (size_t i = 0; i < kQuarters; ++i) vst1q_f32(to + i * 4, rows[i]);
  if (n < kPanelRows) std::memcpy(out, all, n * sizeof(float));
}

// Stores float(sum) * (w_scales[row] * x_scale).
GEMMA_DOTPROD_INLINE void store_scaled(const int32x4_t (&sums)[kQuarters], const float* w_scales,
                                       float x_scale, size_t n, float* out) {
  float32x4_t results[kQuarters];
  for (size_t i = 0; i < kQuarters; ++i) {
    const float32x4_t scale = vmulq_f32(vld1q_f32(w_scales + i * 4), vdupq_n_f32(x_scale));
    results[i] = vmulq_f32(vcvtq_f32_s32(sums[i]), scale);
  }
  store_rows(results, n, out);
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

}  // namespace gemma::kernels::neon_dotprod

#endif
