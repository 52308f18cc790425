#include "kernels/neon_dotprod/outputs.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {
namespace {

// Four levels + 128.
GEMMA_DOTPROD_INLINE int32x4_t stored_levels(const float* x, float32x4_t scale) {
  return vaddq_s32(vcvtq_s32_f32(levels_of(vdivq_f32(vld1q_f32(x), scale))), vdupq_n_s32(kStaticZero));
}

}  // namespace

GEMMA_DOTPROD void quantize_static(const float* x, size_t n, float scale, uint8_t* u) {
  const float32x4_t divisor = vdupq_n_f32(scale);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const int16x4_t first = vmovn_s32(stored_levels(x + i, divisor));
    const int16x4_t second = vmovn_s32(stored_levels(x + i + 4, divisor));
    vst1_u8(u + i, vqmovun_s16(vcombine_s16(first, second)));
  }
  for (; i < n; i += 4) {
    const size_t left = std::min<size_t>(4, n - i);
    float padded[4] = {};
    std::memcpy(padded, x + i, left * sizeof(float));
    int32_t levels[4];
    vst1q_s32(levels, stored_levels(padded, divisor));
    for (size_t j = 0; j < left; ++j) u[i + j] = static_cast<uint8_t>(levels[j]);
  }
}

}  // namespace gemma::kernels::neon_dotprod

#endif
