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

template <typename Scales>
struct Int4Tile {
  template <size_t P, size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    Sums<P, T> sums;
    begin_sums(8, acts, at, sums);
    const int8_t* x = acts.q + at.token * w.cols;
    for (Steps<T> step(w, at, kNibbleGroupBytes, x); step.more(); step.next()) {
      add_nibble_group(step.panel(0), step.apart(), step.columns, step.stride, sums);
    }
    store_outputs<Scales>(w, acts, at, sums);
  }
};

template <typename Scales>
struct Int8Tile {
  template <size_t P, size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    Sums<P, T> sums;
    begin_sums(128, acts, at, sums);
    const int8_t* x = acts.q + at.token * w.cols;
    for (Steps<T> step(w, at, kByteGroup, x); step.more(); step.next()) {
      add_byte_lines<avx2::kByteGroupLines>(step.panel(0), step.apart(), step.columns, step.stride, sums);
    }
    store_outputs<Scales>(w, acts, at, sums);
  }
};

}  // namespace gemma::kernels::avxvnni
