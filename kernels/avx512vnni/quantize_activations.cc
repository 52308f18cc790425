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

GEMMA_AVX512_INLINE void quantize_one(const float* x, size_t n, float limit, int8_t* q, float& scale,
                                      int32_t& sum) {
  const float absmax = largest_magnitude(x, n);
  const float inverse = absmax != 0 ? limit / absmax : 0.0f;
  sum = quantize_run(x, n, inverse, limit, q);
  scale = absmax / limit;
}

// Groups of 32 columns are quantized sixteen at a time: one register holds the largest magnitudes of all, one
// division makes their factors and one their scales, and no group waits for another.
constexpr size_t kTogether = 16;

struct Largest {
  GEMMA_AVX512_INLINE static __m512i of(__m512i a, __m512i b) { return _mm512_max_epi32(a, b); }
};
struct Sum {
  GEMMA_AVX512_INLINE static __m512i of(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }
};

// Joins the four lanes of every quarter of a, b, c and d: they become lanes 0, 1, 2 and 3 of that quarter.
template <typename Join>
GEMMA_AVX512_INLINE __m512i join_quarters(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = Join::of(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = Join::of(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  return Join::of(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

// Joins neighbouring quarters: a's two, then b's.
template <typename Join>
GEMMA_AVX512_INLINE __m512i join_halves(__m512i a, __m512i b) {
  return Join::of(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xDD));
}

// The largest magnitude of each of sixteen groups, as the bits of a float: without signs, integers are in the
// order of the floats, and infinity and NaNs come out above all numbers.
GEMMA_AVX512_INLINE __m512i largest_of_groups(const float* x) {
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m512i fours[4];
  for (size_t four = 0; four < 4; ++four) {
    __m512i lanes[4];
    for (size_t i = 0; i < 4; ++i, x += kGroup) {
      lanes[i] = _mm512_max_epi32(_mm512_and_si512(load(x), magnitude),
                                  _mm512_and_si512(load(x + kLanes), magnitude));
    }
    fours[four] = join_quarters<Largest>(lanes[0], lanes[1], lanes[2], lanes[3]);
  }
  return join_halves<Largest>(join_halves<Largest>(fours[0], fours[1]),
                              join_halves<Largest>(fours[2], fours[3]));
}

GEMMA_AVX512_INLINE __m512i levels_of(const float* x, __m512 inverse) {
  return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), inverse));
}

// Two groups, whose levels are stored. Lanes 0..7 of what is returned sum up to the first group's sum, the
// others to the second's.
GEMMA_AVX512_INLINE __m512i quantize_two(const float* x, const float* inverses, int8_t* q) {
  const __m512 inverse0 = _mm512_set1_ps(inverses[0]), inverse1 = _mm512_set1_ps(inverses[1]);
  const __m512i words0 = _mm512_packs_epi32(levels_of(x, inverse0), levels_of(x + kLanes, inverse0));
  const __m512i words1 =
      _mm512_packs_epi32(levels_of(x + kGroup, inverse1), levels_of(x + kGroup + kLanes, inverse1));
  // A quarter has 4 columns of each of the four registers that were packed.
  const __m512i in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i levels = _mm512_permutexvar_epi32(in_order, _mm512_packs_epi16(words0, words1));
  _mm512_storeu_si512(q, levels);
  return _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), levels);
}

// False, with nothing done: a group holds something else than ordinary numbers (an infinity, a NaN, so small
// ones that their factor is infinite). All others need no clamping: no product rounds to more than the limit.
GEMMA_AVX512_INLINE bool quantize_sixteen(const float* x, float limit, int8_t* q, float* scales,
                                          int32_t* sums) {
  const __m512i infinity = _mm512_set1_epi32(0x7F800000);
  const __m512i largest = largest_of_groups(x);
  const __m512 absmax = _mm512_castsi512_ps(largest);
  const __mmask16 not_zero = _mm512_test_epi32_mask(largest, largest);
  const __m512 inverse = _mm512_maskz_div_ps(not_zero, _mm512_set1_ps(limit), absmax);
  const __m512i higher = _mm512_max_epi32(largest, _mm512_castps_si512(inverse));
  if (_mm512_cmpge_epi32_mask(higher, infinity) != 0) return false;
  _mm512_storeu_ps(scales, _mm512_div_ps(absmax, _mm512_set1_ps(limit)));
  alignas(64) float inverses[kTogether];
  _mm512_store_ps(inverses, inverse);
  __m512i twos[kTogether / 2];
  for (size_t two = 0; two < kTogether / 2; ++two) {
    twos[two] = quantize_two(x + two * 2 * kGroup, inverses + two * 2, q + two * 2 * kGroup);
  }
  const __m512i joined = join_halves<Sum>(join_quarters<Sum>(twos[0], twos[1], twos[2], twos[3]),
                                          join_quarters<Sum>(twos[4], twos[5], twos[6], twos[7]));
  // Groups 0, 2, 4, 6, then 1, 3, 5, 7, and so on.
  const __m512i in_order = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  _mm512_storeu_si512(sums, _mm512_permutexvar_epi32(in_order, joined));
  return true;
}

}  // namespace

GEMMA_AVX512 void quantize_activations(const float* x, size_t tokens, size_t cols, size_t group, int qmax,
                                       int8_t* q, float* scales, int32_t* sums) {
  const float limit = static_cast<float>(qmax);
  const size_t groups = tokens * cols / group;
  size_t g = 0;
  while (g < groups) {
    const size_t n = group == kGroup ? std::min(kTogether, groups - g) : 1;
    const bool done =
        n == kTogether && quantize_sixteen(x + g * kGroup, limit, q + g * kGroup, scales + g, sums + g);
    for (const size_t end = g + n; g < end; ++g) {
      if (!done) quantize_one(x + g * group, group, limit, q + g * group, scales[g], sums[g]);
    }
  }
}

}  // namespace gemma::kernels::avx512vnni

#endif
