// Tiles of 4 and 8 bits with one scale a row for AVX-VNNI; how sums become outputs is that of AVX2
// (kernels/avx2/row_scales.h).
#pragma once

#include "kernels/avx2/row_scales.h"
#include "kernels/avxvnni/panel.h"

namespace gemma::kernels::avxvnni {

using avx2::FixedScales;
using avx2::TokenScales;

// Sums of weights that are `zero` too large begin at -zero times the sum of the activations.
template <size_t P, size_t T>
GEMMA_AVXVNNI_INLINE void begin_sums(int32_t zero, const Activations& acts, const TilePlace& at,
                                     Sums<P, T>& sums) {
#pragma GCC unroll 6
  for (size_t t = 0; t < T; ++t) {
    const __m256i begin = _mm256_set1_epi32(-zero * acts.sums[at.token + t]);
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) sums.begin(p, t, begin);
  }
}

template <typename Scales, size_t P, size_t T>
GEMMA_AVXVNNI_INLINE void store_outputs(const MatrixView& w, const Activations& acts, const TilePlace& at,
                                        const Sums<P, T>& sums) {
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      avx2::store_outputs<Scales>(w, acts, at.scales_of(p), at.token + t, sums.total(p, t, 0),
                                  sums.total(p, t, 1), at.rows_of(p, P), at.out_of(p, t));
    }
  }
}

// Groups of 32 columns, kBytes of them, whose unsigned numbers are kZero too large.
struct Int4Groups {
  static constexpr size_t kBytes = kNibbleGroupBytes;
  static constexpr int32_t kZero = 8;

  template <size_t P, size_t T>
  GEMMA_AVXVNNI_INLINE static void add(const Steps<T>& step, Sums<P, T>& sums) {
    add_nibble_group(step.panel(0), step.apart(), step.columns, step.stride, sums);
  }
};

struct Int8Groups {
  static constexpr size_t kBytes = kByteGroup;
  static constexpr int32_t kZero = 128;

  template <size_t P, size_t T>
  GEMMA_AVXVNNI_INLINE static void add(const Steps<T>& step, Sums<P, T>& sums) {
    add_byte_lines<avx2::kByteGroupLines>(step.panel(0), step.apart(), step.columns, step.stride, sums);
  }
};

template <typename Format, typename Scales>
struct RowScaleTile {
  template <size_t P, size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    Sums<P, T> sums;
    begin_sums(Format::kZero, acts, at, sums);
    const int8_t* x = acts.q + at.token * w.cols;
    for (Steps<T> step(w, at, Format::kBytes, x); step.more(); step.next()) Format::add(step, sums);
    store_outputs<Scales>(w, acts, at, sums);
  }
};

}  // namespace gemma::kernels::avxvnni
