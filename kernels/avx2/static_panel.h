// What the AVX2 kernels between static scales share: where sums begin and how they become outputs.
//
// Activations are unsigned (level + 128), so vpmaddubsw takes them as the first side and weights as the signed
// one. What the 128 adds to a row is known when the matrix is packed: sums begin at the row's zero_sum. Weights
// of 2 and 4 bits stay as they are stored, 2 or 8 too large, which the sum of a token's activations takes out.
// Their int16 sums are unsigned: 255 * 15 * 2 = 7650 for 4 bits, so 8 (61200) before widening.
#pragma once

#include "kernels/avx2/unpack.h"
#include "kernels/static_scales.h"

namespace gemma::kernels::avx2 {

// Sum of x[0..n).
GEMMA_AVX2 inline int32_t sum_of(const uint8_t* x, size_t n) {
  __m256i fours = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    fours = _mm256_add_epi64(fours, _mm256_sad_epu8(load(x + i), _mm256_setzero_si256()));
  }
  int64_t sums[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), fours);
  int64_t sum = sums[0] + sums[1] + sums[2] + sums[3];
  for (; i < n; ++i) sum += x[i];
  return static_cast<int32_t>(sum);
}

// A few tokens' activations and their sums.
struct SummedActivations {
  explicit SummedActivations(const Activations& stored) : acts(stored) {
    for (size_t t = 0; t < acts.tokens; ++t) sums[t] = sum_of(acts.u + t * acts.cols, acts.cols);
    acts.sums = sums;
  }
  SummedActivations(const SummedActivations&) = delete;
  SummedActivations& operator=(const SummedActivations&) = delete;

  Activations acts;
  int32_t sums[kManyTokens];
};

// Where the sums of weights that are Zero too large begin, raised by `raise`.
template <int Zero, size_t P, size_t T>
GEMMA_AVX2_INLINE void begin_sums(const MatrixView& w, const Activations& acts, const TilePlace& at,
                                  int32_t raise, __m256i (&total)[P][T][2]) {
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    const int32_t* zero_sums = w.statics.zero_sums + at.scales_of(p) * kPanelRows;
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      const __m256i all = _mm256_set1_epi32(raise - (Zero == 0 ? 0 : Zero * acts.sums[at.token + t]));
#pragma GCC unroll 2
      for (size_t half = 0; half < 2; ++half) {
        total[p][t][half] = _mm256_add_epi32(load(zero_sums + half * 8), all);
      }
    }
  }
}

// The 16 entries in both halves of a register, for vpshufb.
GEMMA_AVX2_INLINE __m256i lookup(const int8_t (&entries)[16]) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries)));
}

// A level as a whole number; NaN has level 0. Clamping before rounding is the same: the limits are whole.
GEMMA_AVX2_INLINE __m256 clamp_to_levels(__m256 value) {
  const __m256 number = _mm256_and_ps(value, _mm256_cmp_ps(value, value, _CMP_ORD_Q));
  const __m256 above = _mm256_max_ps(number, _mm256_set1_ps(kLowestLevel));
  return _mm256_min_ps(above, _mm256_set1_ps(kHighestLevel));
}

// Eight rows' outputs, static_output() of each.
GEMMA_AVX2_INLINE __m256 outputs_of(__m256i acc, const float* factors, float output_scale) {
  const __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(factors));
  if (output_scale == 0) return value;
  const __m256 level = _mm256_round_ps(clamp_to_levels(value), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  return _mm256_mul_ps(level, _mm256_set1_ps(output_scale));
}

GEMMA_AVX2_INLINE void store_outputs(const MatrixView& w, size_t panel, __m256i sums0, __m256i sums1,
                                     size_t rows, float* out) {
  const float* factors = w.statics.factors + panel * kPanelRows;
  store_rows(outputs_of(sums0, factors, w.statics.output), outputs_of(sums1, factors + 8, w.statics.output),
             rows, out);
}

template <size_t P, size_t T>
GEMMA_AVX2_INLINE void store_outputs(const MatrixView& w, const TilePlace& at,
                                     const __m256i (&total)[P][T][2]) {
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      store_outputs(w, at.scales_of(p), total[p][t][0], total[p][t][1], at.rows_of(p, P), at.out_of(p, t));
    }
  }
}

// The scales of multiply_unpacked (unpacked_panel.h).
struct FixedScales {
  static const uint8_t* inputs(const Activations& acts) { return acts.u; }
  static void begin(const MatrixView& w, const Activations&, size_t panel, size_t, int32_t* totals) {
    std::copy_n(w.statics.zero_sums + panel * kPanelRows, kPanelRows, totals);
  }
  GEMMA_AVX2 static void finish(const MatrixView& w, const Activations&, size_t panel, size_t,
                                const int32_t* totals, size_t rows, float* out) {
    store_outputs(w, panel, load(totals), load(totals + 8), rows, out);
  }
};

}  // namespace gemma::kernels::avx2
