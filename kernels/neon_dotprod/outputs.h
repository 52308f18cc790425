// From integer sums to outputs: where sums of a token begin, and what is stored of 16 rows. The arithmetic is
// that of kernel_table.h and static_scales.h, step by step.
#pragma once

#include "kernels/activations.h"
#include "kernels/neon_dotprod/levels.h"
#include "kernels/static_scales.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {

// Stores the first n of a panel's 16 results.
GEMMA_DOTPROD_INLINE void store_rows(const float32x4_t (&rows)[kQuarters], size_t n, float* out) {
  float all[kPanelRows];
  float* to = n == kPanelRows ? out : all;
  for (size_t i = 0; i < kQuarters; ++i) vst1q_f32(to + i * 4, rows[i]);
  if (n < kPanelRows) std::memcpy(out, all, n * sizeof(float));
}

// Where sums begin in formats without scales inside: what levels are too large, the token's sum takes out.
template <typename Levels>
int32_t begin_of(const Activations& acts, size_t token) {
  return Levels::kZero == 0 ? 0 : -Levels::kZero * acts.sums[token];
}

// One scale a row and token.
struct TokenScales {
  GEMMA_DOTPROD_INLINE static void store(const MatrixView& w, const Activations& acts, size_t panel,
                                         size_t token, const int32x4_t (&sums)[kQuarters], size_t rows,
                                         float* out) {
    const float* scales = w.scales + panel * kPanelRows;
    float32x4_t results[kQuarters];
    for (size_t i = 0; i < kQuarters; ++i) {
      const float32x4_t scale = vmulq_f32(vld1q_f32(scales + i * 4), vdupq_n_f32(acts.scales[token]));
      results[i] = vmulq_f32(vcvtq_f32_s32(sums[i]), scale);
    }
    store_rows(results, rows, out);
  }
};

// static_level() of four values.
GEMMA_DOTPROD_INLINE float32x4_t levels_of(float32x4_t value) {
  const uint32x4_t numbers = vceqq_f32(value, value);
  const float32x4_t number = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(value), numbers));
  const float32x4_t above = vmaxq_f32(vrndnq_f32(number), vdupq_n_f32(kLowestLevel));
  return vminq_f32(above, vdupq_n_f32(kHighestLevel));
}

// Static scales on both sides.
struct FixedScales {
  GEMMA_DOTPROD_INLINE static void store(const MatrixView& w, const Activations&, size_t panel, size_t,
                                         const int32x4_t (&sums)[kQuarters], size_t rows, float* out) {
    const float* factors = w.statics.factors + panel * kPanelRows;
    const float scale = w.statics.output;
    float32x4_t results[kQuarters];
    for (size_t i = 0; i < kQuarters; ++i) {
      results[i] = vmulq_f32(vcvtq_f32_s32(sums[i]), vld1q_f32(factors + i * 4));
      if (scale != 0) results[i] = vmulq_f32(levels_of(results[i]), vdupq_n_f32(scale));
    }
    store_rows(results, rows, out);
  }
};

// A group's share of an output: float(sum) * (w_scale * x_scale). Two roundings and no vfmaq, as in the
// definition.
GEMMA_DOTPROD_INLINE float32x4_t add_group(float32x4_t total, int32x4_t sum, float32x4_t w_scales,
                                           float32x4_t x_scales) {
  return vaddq_f32(total, vmulq_f32(vcvtq_f32_s32(sum), vmulq_f32(w_scales, x_scales)));
}

}  // namespace gemma::kernels::neon_dotprod

#endif
