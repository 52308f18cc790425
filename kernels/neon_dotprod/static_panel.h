// What the sdot kernels between static scales share. sdot wants both sides signed, so the activations lose
// their 128 as they are loaded and sums begin at 0: the same integers by the shorter way.
#pragma once

#include "kernels/neon_dotprod/panel.h"
#include "kernels/static_scales.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {

// 16 stored activations (level + 128) as signed levels.
GEMMA_DOTPROD_INLINE int8x16_t load_columns(const uint8_t* x) {
  return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(x), vdupq_n_u8(kStaticZero)));
}

// The same of the last n < 16 columns, level 0 behind them.
GEMMA_DOTPROD_INLINE int8x16_t load_last_columns(const uint8_t* x, size_t n) {
  uint8_t padded[16];
  std::memset(padded, kStaticZero, sizeof(padded));
  std::memcpy(padded, x, n);
  return load_columns(padded);
}

template <size_t T>
GEMMA_DOTPROD_INLINE void begin_sums(int32x4_t (&sums)[T][kQuarters]) {
  for (size_t t = 0; t < T; ++t) {
    for (size_t i = 0; i < kQuarters; ++i) sums[t][i] = vdupq_n_s32(0);
  }
}

// static_level() of four values.
GEMMA_DOTPROD_INLINE float32x4_t levels_of(float32x4_t value) {
  const uint32x4_t numbers = vceqq_f32(value, value);
  const float32x4_t number = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(value), numbers));
  const float32x4_t above = vmaxq_f32(vrndnq_f32(number), vdupq_n_f32(kLowestLevel));
  return vminq_f32(above, vdupq_n_f32(kHighestLevel));
}

// static_output() of every row and token.
template <size_t T>
GEMMA_DOTPROD_INLINE void store_outputs(const MatrixView& w, size_t panel,
                                        const int32x4_t (&sums)[T][kQuarters], size_t rows, float* out,
                                        size_t out_stride) {
  const float* factors = w.statics.factors + panel * kPanelRows;
  const float scale = w.statics.output;
  for (size_t t = 0; t < T; ++t) {
    float32x4_t results[kQuarters];
    for (size_t i = 0; i < kQuarters; ++i) {
      results[i] = vmulq_f32(vcvtq_f32_s32(sums[t][i]), vld1q_f32(factors + i * 4));
      if (scale != 0) results[i] = vmulq_f32(levels_of(results[i]), vdupq_n_f32(scale));
    }
    store_rows(results, rows, out + t * out_stride);
  }
}

}  // namespace gemma::kernels::neon_dotprod

#endif
