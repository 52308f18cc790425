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

GEMMA_AVX2_INLINE void quantize_one(const float* x, size_t n, float limit, int8_t* q, float& scale,
                                    int32_t& sum) {
  const float absmax = largest_magnitude(x, n);
  const float inverse = absmax != 0 ? limit / absmax : 0.0f;
  sum = quantize_run(x, n, inverse, limit, q);
  scale = absmax / limit;
}

// Groups of 32 columns are quantized eight at a time: one register holds the largest magnitudes of all, one
// division makes their factors and one their scales, and no group waits for another.
constexpr size_t kTogether = 8;
constexpr size_t kGroupRegisters = kGroup / 8;

struct Largest {
  GEMMA_AVX2_INLINE static __m256i of(__m256i a, __m256i b) { return _mm256_max_epi32(a, b); }
};
struct Sum {
  GEMMA_AVX2_INLINE static __m256i of(__m256i a, __m256i b) { return _mm256_add_epi32(a, b); }
};

// Joins the four lanes of each half of a, b, c and d: they become lanes 0, 1, 2 and 3 of that half.
template <typename Join>
GEMMA_AVX2_INLINE __m256i join_lanes(const __m256i* abcd) {
  const __m256i ab =
      Join::of(_mm256_unpacklo_epi32(abcd[0], abcd[1]), _mm256_unpackhi_epi32(abcd[0], abcd[1]));
  const __m256i cd =
      Join::of(_mm256_unpacklo_epi32(abcd[2], abcd[3]), _mm256_unpackhi_epi32(abcd[2], abcd[3]));
  return Join::of(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
}

// Joins all lanes of each of eight registers.
template <typename Join>
GEMMA_AVX2_INLINE __m256i join_eight(const __m256i (&lanes)[8]) {
  const __m256i first = join_lanes<Join>(lanes), last = join_lanes<Join>(lanes + 4);
  return Join::of(_mm256_permute2x128_si256(first, last, 0x20), _mm256_permute2x128_si256(first, last, 0x31));
}

// The bits of the largest magnitudes in the lanes of a group. Without signs, integers are in the order of the
// floats, and infinity and NaNs come out above all numbers.
GEMMA_AVX2_INLINE __m256i largest_in_lanes(const float* x) {
  const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
  __m256i lanes = _mm256_and_si256(load(x), magnitude);
  for (size_t i = 1; i < kGroupRegisters; ++i) {
    lanes = _mm256_max_epi32(lanes, _mm256_and_si256(load(x + i * 8), magnitude));
  }
  return lanes;
}

// Stores the levels of a group and returns lanes that sum up to its sum.
GEMMA_AVX2_INLINE __m256i quantize_group(const float* x, __m256 inverse, int8_t* q) {
  __m256i levels[kGroupRegisters];
  for (size_t i = 0; i < kGroupRegisters; ++i) {
    levels[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i * 8), inverse));
  }
  const __m256i packed =
      _mm256_packs_epi16(_mm256_packs_epi32(levels[0], levels[1]), _mm256_packs_epi32(levels[2], levels[3]));
  // A half has 4 columns of each of the four registers that were packed.
  const __m256i bytes = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), bytes);
  return widen(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes));
}

// False, with nothing done: a group holds something else than ordinary numbers (an infinity, a NaN, so small
// ones that their factor is infinite). All others need no clamping: no product rounds to more than the limit.
GEMMA_AVX2_INLINE bool quantize_eight(const float* x, float limit, int8_t* q, float* scales, int32_t* sums) {
  __m256i lanes[kTogether];
  for (size_t g = 0; g < kTogether; ++g) lanes[g] = largest_in_lanes(x + g * kGroup);
  const __m256i largest = join_eight<Largest>(lanes);
  const __m256 absmax = _mm256_castsi256_ps(largest);
  const __m256 not_zero = _mm256_cmp_ps(absmax, _mm256_setzero_ps(), _CMP_NEQ_UQ);
  const __m256 inverse = _mm256_and_ps(_mm256_div_ps(_mm256_set1_ps(limit), absmax), not_zero);
  const __m256i higher = _mm256_max_epi32(largest, _mm256_castps_si256(inverse));
  const __m256i numbers = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x7F800000), higher);
  if (_mm256_movemask_epi8(numbers) != -1) return false;
  _mm256_storeu_ps(scales, _mm256_div_ps(absmax, _mm256_set1_ps(limit)));
  alignas(32) float inverses[kTogether];
  _mm256_store_ps(inverses, inverse);
  for (size_t g = 0; g < kTogether; ++g) {
    lanes[g] = quantize_group(x + g * kGroup, _mm256_set1_ps(inverses[g]), q + g * kGroup);
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), join_eight<Sum>(lanes));
  return true;
}

}  // namespace

GEMMA_AVX2 void quantize_activations(const float* x, size_t tokens, size_t cols, size_t group, int qmax,
                                     int8_t* q, float* scales, int32_t* sums) {
  const float limit = static_cast<float>(qmax);
  const size_t groups = tokens * cols / group;
  size_t g = 0;
  while (g < groups) {
    const size_t n = group == kGroup ? std::min(kTogether, groups - g) : 1;
    const bool done =
        n == kTogether && quantize_eight(x + g * kGroup, limit, q + g * kGroup, scales + g, sums + g);
    for (const size_t end = g + n; g < end; ++g) {
      if (!done) quantize_one(x + g * group, group, limit, q + g * group, scales[g], sums[g]);
    }
  }
}

}  // namespace gemma::kernels::avx2

#endif
