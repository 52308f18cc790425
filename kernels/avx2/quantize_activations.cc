#if defined(__x86_64__)

#include <cmath>

#include "kernels/avx2/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

GEMMA_AVX2_INLINE __m256 load_magnitudes(const float* x) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_loadu_ps(x));
}

// max(x, so_far) of the instruction gives its second operand if one is a NaN: NaNs are passed over, as in the
// definition.
GEMMA_AVX2_INLINE float largest_magnitude(const float* x, size_t n) {
  __m256 lanes = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 8 <= n; i += 8) lanes = _mm256_max_ps(load_magnitudes(x + i), lanes);
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  float largest = _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
  for (; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
  return largest;
}

// Eight levels as int32. A NaN (inf * 0 included) becomes 0 before clamping.
GEMMA_AVX2_INLINE __m256i levels_of(const float* x, __m256 inverse, __m256 limit) {
  const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x), inverse);
  const __m256 number = _mm256_and_ps(scaled, _mm256_cmp_ps(scaled, scaled, _CMP_ORD_Q));
  const __m256 lowest = _mm256_sub_ps(_mm256_setzero_ps(), limit);
  // Clamping first and rounding in the conversion gives the same level: the limits are whole numbers.
  return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(number, lowest), limit));
}

GEMMA_AVX2_INLINE int32_t quantize_run(const float* x, size_t n, float inverse, float limit, int8_t* q) {
  const __m256 factor = _mm256_set1_ps(inverse);
  const __m256 bound = _mm256_set1_ps(limit);
  __m256i lanes = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256i levels = levels_of(x + i, factor, bound);
    lanes = _mm256_add_epi32(lanes, levels);
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(levels), _mm256_extracti128_si256(levels, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(q + i), _mm_packs_epi16(words, words));
  }
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  four = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  int32_t sum = _mm_cvtsi128_si32(four) + _mm_extract_epi32(four, 1);
  if (i < n) {
    float padded[8] = {};
    std::memcpy(padded, x + i, (n - i) * sizeof(float));
    int32_t levels[8];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(levels), levels_of(padded, factor, bound));
    for (size_t j = 0; i < n; ++i, ++j) {
      q[i] = static_cast<int8_t>(levels[j]);
      sum += levels[j];
    }
  }
  return sum;
}

}  // namespace

GEMMA_AVX2 void quantize_activations(const float* x, size_t tokens, size_t cols, size_t group, int qmax,
                                     int8_t* q, float* scales, int32_t* sums) {
  const float limit = static_cast<float>(qmax);
  for (size_t g = 0; g < tokens * cols / group; ++g) {
    const float absmax = largest_magnitude(x + g * group, group);
    const float inverse = absmax != 0 ? limit / absmax : 0.0f;
    sums[g] = quantize_run(x + g * group, group, inverse, limit, q + g * group);
    scales[g] = absmax / limit;
  }
}

}  // namespace gemma::kernels::avx2

#endif
