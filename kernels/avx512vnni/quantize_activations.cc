#if defined(__x86_64__)

#include "kernels/avx512vnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

constexpr size_t kLanes = 16;

GEMMA_AVX512_INLINE __mmask16 first(size_t n) {
  return static_cast<__mmask16>((1u << std::min(n, kLanes)) - 1);
}

// max(x, so_far) of the instruction gives its second operand if one is a NaN: NaNs are passed over, as in the
// definition. Lanes behind the end are zeros.
GEMMA_AVX512_INLINE float largest_magnitude(const float* x, size_t n) {
  __m512 lanes = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += kLanes) {
    lanes = _mm512_max_ps(_mm512_abs_ps(_mm512_maskz_loadu_ps(first(n - i), x + i)), lanes);
  }
  return _mm512_reduce_max_ps(lanes);
}

GEMMA_AVX512_INLINE int32_t quantize_run(const float* x, size_t n, float inverse, float limit, int8_t* q) {
  const __m512 factor = _mm512_set1_ps(inverse);
  const __m512 highest = _mm512_set1_ps(limit);
  const __m512 lowest = _mm512_set1_ps(-limit);
  __m512i sums = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += kLanes) {
    const __mmask16 lanes = first(n - i);
    const __m512 scaled = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + i), factor);
    // A NaN (inf * 0 included) becomes 0. Clamping first and rounding in the conversion gives the same level
    // as the other way round: the limits are whole numbers.
    const __mmask16 numbers = _mm512_cmp_ps_mask(scaled, scaled, _CMP_ORD_Q);
    const __m512 clamped = _mm512_min_ps(_mm512_maskz_max_ps(numbers, scaled, lowest), highest);
    const __m512i levels = _mm512_maskz_cvtps_epi32(lanes, clamped);
    sums = _mm512_add_epi32(sums, levels);
    _mm_mask_storeu_epi8(q + i, lanes, _mm512_cvtepi32_epi8(levels));
  }
  return _mm512_reduce_add_epi32(sums);
}

}  // namespace

GEMMA_AVX512 void quantize_activations(const float* x, size_t tokens, size_t cols, size_t group, int qmax,
                                       int8_t* q, float* scales, int32_t* sums) {
  const float limit = static_cast<float>(qmax);
  for (size_t g = 0; g < tokens * cols / group; ++g) {
    const float absmax = largest_magnitude(x + g * group, group);
    const float inverse = absmax != 0 ? limit / absmax : 0.0f;
    sums[g] = quantize_run(x + g * group, group, inverse, limit, q + g * group);
    scales[g] = absmax / limit;
  }
}

}  // namespace gemma::kernels::avx512vnni

#endif
