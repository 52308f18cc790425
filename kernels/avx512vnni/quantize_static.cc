#if defined(__x86_64__)

#include "kernels/avx512vnni/row_scales.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {

GEMMA_AVX512 int32_t quantize_static(const float* x, size_t n, float scale, int8_t* q) {
  constexpr size_t kLanes = 16;
  const __m512 divisor = _mm512_set1_ps(scale);
  __m512i sums = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += kLanes) {
    const auto lanes = static_cast<__mmask16>((1u << std::min(n - i, kLanes)) - 1);
    const __m512 level = clamp_to_levels(_mm512_div_ps(_mm512_maskz_loadu_ps(lanes, x + i), divisor));
    const __m512i whole = _mm512_cvtps_epi32(level);
    sums = _mm512_add_epi32(sums, whole);  // 0 beyond the end: 0 / scale
    _mm_mask_storeu_epi8(q + i, lanes, _mm512_cvtepi32_epi8(whole));
  }
  return _mm512_reduce_add_epi32(sums);
}

}  // namespace gemma::kernels::avx512vnni

#endif
