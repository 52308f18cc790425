#include "kernels/integer_kernels.h"
#include "kernels/neon_dotprod/outputs.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

#include <cmath>

namespace gemma::kernels::neon_dotprod {
namespace {

// fmaxnm gives its other operand if one is a NaN: NaNs are passed over, as in the definition. A signalling
// NaN would come out as a quiet one, so the comparison chooses instead.
float largest_magnitude(const float* x, size_t n) {
  float32x4_t lanes = vdupq_n_f32(0);
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const float32x4_t magnitude = vabsq_f32(vld1q_f32(x + i));
    lanes = vbslq_f32(vcgtq_f32(magnitude, lanes), magnitude, lanes);
  }
  float largest = vmaxvq_f32(lanes);
  for (; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
  return largest;
}

// Four levels. The conversion rounds half to even, saturates, and makes a NaN (inf * 0 included) 0.
int32x4_t levels_of(const float* x, float inverse, int32_t limit) {
  const int32x4_t rounded = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), inverse));
  return vminq_s32(vmaxq_s32(rounded, vdupq_n_s32(-limit)), vdupq_n_s32(limit));
}

int32_t quantize_run(const float* x, size_t n, float inverse, int32_t limit, int8_t* q) {
  int32x4_t lanes = vdupq_n_s32(0);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const int32x4_t first = levels_of(x + i, inverse, limit);
    const int32x4_t second = levels_of(x + i + 4, inverse, limit);
    lanes = vaddq_s32(lanes, vaddq_s32(first, second));
    vst1_s8(q + i, vmovn_s16(vcombine_s16(vmovn_s32(first), vmovn_s32(second))));
  }
  int32_t sum = vaddvq_s32(lanes);
  for (; i < n; i += 4) {
    const size_t left = std::min<size_t>(4, n - i);
    float padded[4] = {};
    std::memcpy(padded, x + i, left * sizeof(float));
    int32_t levels[4];
    vst1q_s32(levels, levels_of(padded, inverse, limit));
    for (size_t j = 0; j < left; ++j) {
      q[i + j] = static_cast<int8_t>(levels[j]);
      sum += levels[j];
    }
  }
  return sum;
}

}  // namespace

void quantize_activations(const float* x, size_t tokens, size_t cols, size_t group, int qmax, int8_t* q,
                          float* scales, int32_t* sums) {
  const float limit = static_cast<float>(qmax);
  for (size_t g = 0; g < tokens * cols / group; ++g) {
    const float absmax = largest_magnitude(x + g * group, group);
    const float inverse = absmax != 0 ? limit / absmax : 0.0f;
    sums[g] = quantize_run(x + g * group, group, inverse, qmax, q + g * group);
    scales[g] = absmax / limit;
  }
}

}  // namespace gemma::kernels::neon_dotprod

#endif
