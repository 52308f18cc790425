// Where sums of the AVX-VNNI kernels between static scales begin, and how they become outputs: activations
// are the unsigned side, and what their 128 adds is the row's zero_sum (kernels/avx2/static_panel.h).
#pragma once

#include "kernels/avx2/static_panel.h"
#include "kernels/avxvnni/panel.h"

namespace gemma::kernels::avxvnni {

// Weights are Zero too large.
template <int Zero, size_t P, size_t T>
GEMMA_AVXVNNI_INLINE void begin_static_sums(const MatrixView& w, const Activations& acts, const TilePlace& at,
                                            Sums<P, T>& sums) {
  __m256i total[P][T][2];
  avx2::begin_sums<Zero>(w, acts, at, 0, total);
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) sums.begin(p, t, total[p][t][0], total[p][t][1]);
  }
}

template <size_t P, size_t T>
GEMMA_AVXVNNI_INLINE void store_outputs(const MatrixView& w, const TilePlace& at, const Sums<P, T>& sums) {
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      avx2::store_outputs(w, at.scales_of(p), sums.total(p, t, 0), sums.total(p, t, 1), at.rows_of(p, P),
                          at.out_of(p, t));
    }
  }
}

}  // namespace gemma::kernels::avxvnni
