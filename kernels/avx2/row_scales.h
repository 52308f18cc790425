// What the AVX2 kernels with one scale a row share: where the sums of unsigned weights begin, and how sums
// become outputs, between static scales or with a scale per token.
#pragma once

#include "kernels/avx2/panel.h"
#include "kernels/static_scales.h"

namespace gemma::kernels::avx2 {

// Sums of weights that are `zero` too large begin at -zero times the sum of the activations.
template <size_t P, size_t T>
GEMMA_AVX2_INLINE void begin_sums(int32_t zero, const Activations& acts, const TilePlace& at,
                                  __m256i (&total)[P][T][2]) {
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      total[p][t][0] = total[p][t][1] = _mm256_set1_epi32(-zero * acts.sums[at.token + t]);
    }
  }
}

// --- outputs: of(w, acts, row, token, sums of 8 rows from `row` on) ---

// float(sum) * (w_scale * x_scale).
struct TokenScales {
  GEMMA_AVX2_INLINE static __m256 of(const MatrixView& w, const Activations& acts, size_t row, size_t token,
                                     __m256 sums) {
    const __m256 x_scale = _mm256_set1_ps(acts.scales[token]);
    return _mm256_mul_ps(sums, _mm256_mul_ps(_mm256_loadu_ps(w.scales + row), x_scale));
  }
};

// A level as a whole number once rounded; NaN has level 0. Clamping before rounding is the same: the limits
// are whole.
GEMMA_AVX2_INLINE __m256 clamp_to_levels(__m256 value) {
  const __m256 number = _mm256_and_ps(value, _mm256_cmp_ps(value, value, _CMP_ORD_Q));
  const __m256 above = _mm256_max_ps(number, _mm256_set1_ps(kLowestLevel));
  return _mm256_min_ps(above, _mm256_set1_ps(kHighestLevel));
}

// static_output().
struct FixedScales {
  GEMMA_AVX2_INLINE static __m256 of(const MatrixView& w, const Activations&, size_t row, size_t,
                                     __m256 sums) {
    const __m256 value = _mm256_mul_ps(sums, _mm256_loadu_ps(w.statics.factors + row));
    const float scale = w.statics.output;
    if (scale == 0) return value;
    const __m256 level =
        _mm256_round_ps(clamp_to_levels(value), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm256_mul_ps(level, _mm256_set1_ps(scale));
  }
};

// The first `rows` outputs of a panel.
template <typename Scales>
GEMMA_AVX2_INLINE void store_outputs(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                     __m256i sums0, __m256i sums1, size_t rows, float* out) {
  const size_t row = panel * kPanelRows;
  store_rows(Scales::of(w, acts, row, token, _mm256_cvtepi32_ps(sums0)),
             Scales::of(w, acts, row + 8, token, _mm256_cvtepi32_ps(sums1)), rows, out);
}

template <typename Scales, size_t P, size_t T>
GEMMA_AVX2_INLINE void store_outputs(const MatrixView& w, const Activations& acts, const TilePlace& at,
                                     const __m256i (&total)[P][T][2]) {
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      store_outputs<Scales>(w, acts, at.scales_of(p), at.token + t, total[p][t][0], total[p][t][1],
                            at.rows_of(p, P), at.out_of(p, t));
    }
  }
}

// --- tiles of few tokens ---

template <typename Scales>
struct Int4Tile {
  template <size_t P, size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    __m256i total[P][T][2];
    begin_sums(8, acts, at, total);
    const int8_t* x = acts.q + at.token * w.cols;
    for (Steps<T> step(w, at, kNibbleGroupBytes, x); step.more(); step.next()) {
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) {
        __m256i sums[T][2];
        multiply_group<P, T>(step.panel(p), step.columns, step.stride, sums);
        add_widened<T>(sums, total[p]);
      }
    }
    store_outputs<Scales>(w, acts, at, total);
  }
};

}  // namespace gemma::kernels::avx2
