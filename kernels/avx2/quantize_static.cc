#if defined(__x86_64__)

#include "kernels/avx2/row_scales.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

// Eight levels.
GEMMA_AVX2_INLINE __m256i levels_of(const float* x, __m256 scale) {
  return _mm256_cvtps_epi32(clamp_to_levels(_mm256_div_ps(_mm256_loadu_ps(x), scale)));
}

// As bytes, the low eight.
GEMMA_AVX2_INLINE __m128i bytes_of(__m256i levels) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(levels), _mm256_extracti128_si256(levels, 1));
  return _mm_packs_epi16(words, words);
}

}  // namespace

GEMMA_AVX2 int32_t quantize_static(const float* x, size_t n, float scale, int8_t* q) {
  const __m256 divisor = _mm256_set1_ps(scale);
  __m256i sums = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256i levels = levels_of(x + i, divisor);
    sums = _mm256_add_epi32(sums, levels);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(q + i), bytes_of(levels));
  }
  if (i < n) {
    float padded[8] = {};
    std::memcpy(padded, x + i, (n - i) * sizeof(float));
    const __m256i levels = levels_of(padded, divisor);
    sums = _mm256_add_epi32(sums, levels);
    const int64_t last = _mm_cvtsi128_si64(bytes_of(levels));
    std::memcpy(q + i, &last, n - i);
  }
  int32_t lanes[8], sum = 0;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sums);
  for (int32_t lane : lanes) sum += lane;
  return sum;
}

}  // namespace gemma::kernels::avx2

#endif
