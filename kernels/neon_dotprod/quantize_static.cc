#include "kernels/neon_dotprod/outputs.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {
namespace {

GEMMA_DOTPROD_INLINE int32x4_t four_levels(const float* x, float32x4_t scale) {
  return vcvtq_s32_f32(levels_of(vdivq_f32(vld1q_f32(x), scale)));
}

}  // namespace

GEMMA_DOTPROD int32_t quantize_static(const float* x, size_t n, float scale, int8_t* q) {
  const float32x4_t divisor = vdupq_n_f32(scale);
  int32x4_t sums = vdupq_n_s32(0);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const int32x4_t first = four_levels(x + i, divisor), second = four_levels(x + i + 4, divisor);
    sums = vaddq_s32(sums, vaddq_s32(first, second));
    vst1_s8(q + i, vmovn_s16(vcombine_s16(vmovn_s32(first), vmovn_s32(second))));
  }
  for (; i < n; i += 4) {
    const size_t left = std::min<size_t>(4, n - i);
    float padded[4] = {};
    std::memcpy(padded, x + i, left * sizeof(float));
    const int32x4_t last = four_levels(padded, divisor);
    sums = vaddq_s32(sums, last);
    int32_t levels[4];
    vst1q_s32(levels, last);
    for (size_t j = 0; j < left; ++j) q[i + j] = static_cast<int8_t>(levels[j]);
  }
  return vaddvq_s32(sums);
}

}  // namespace gemma::kernels::neon_dotprod

#endif
