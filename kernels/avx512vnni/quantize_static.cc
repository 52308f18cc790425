#if defined(__x86_64__)

#include "kernels/avx512vnni/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {

GEMMA_AVX512 void quantize_static(const float* x, size_t n, float scale, uint8_t* u) {
  constexpr size_t kLanes = 16;
  const __m512 divisor = _mm512_set1_ps(scale);
  const __m512i zero = _mm512_set1_epi32(kStaticZero);
  for (size_t i = 0; i < n; i += kLanes) {
    const auto lanes = static_cast<__mmask16>((1u << std::min(n - i, kLanes)) - 1);
    const __m512 level = clamp_to_levels(_mm512_div_ps(_mm512_maskz_loadu_ps(lanes, x + i), divisor));
    const __m512i stored = _mm512_add_epi32(_mm512_cvtps_epi32(level), zero);
    _mm_mask_storeu_epi8(u + i, lanes, _mm512_cvtepi32_epi8(stored));
  }
}

}  // namespace gemma::kernels::avx512vnni

#endif
