#if defined(__x86_64__)

#include "kernels/avx2/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

// Eight levels + 128 in the low eight bytes.
GEMMA_AVX2_INLINE __m128i stored_levels(const float* x, __m256 scale) {
  const __m256 clamped = clamp_to_levels(_mm256_div_ps(_mm256_loadu_ps(x), scale));
  const __m256i levels = _mm256_add_epi32(_mm256_cvtps_epi32(clamped), _mm256_set1_epi32(kStaticZero));
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(levels), _mm256_extracti128_si256(levels, 1));
  return _mm_packus_epi16(words, words);
}

}  // namespace

GEMMA_AVX2 void quantize_static(const float* x, size_t n, float scale, uint8_t* u) {
  const __m256 divisor = _mm256_set1_ps(scale);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(u + i), stored_levels(x + i, divisor));
  }
  if (i == n) return;
  float padded[8] = {};
  std::memcpy(padded, x + i, (n - i) * sizeof(float));
  const int64_t last = _mm_cvtsi128_si64(stored_levels(padded, divisor));
  std::memcpy(u + i, &last, n - i);
}

}  // namespace gemma::kernels::avx2

#endif
