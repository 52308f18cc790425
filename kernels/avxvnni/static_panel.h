// Where sums of the AVX-VNNI kernels between static scales begin, and how they become outputs: activations
// are the unsigned side, and what their 128 adds is the row's zero_sum (kernels/avx2/static_panel.h).
#pragma once

#include "kernels/avx2/static_panel.h"
#include "kernels/avxvnni/panel.h"

namespace gemma::kernels::avxvnni {

template <size_t T>
GEMMA_AVXVNNI_INLINE void begin_sums(const MatrixView& w, size_t panel, Sums<T>& sums) {
  const int32_t* zero_sums = w.statics.zero_sums + panel * kPanelRows;
  for (size_t t = 0; t < T; ++t) sums.begin(t, load(zero_sums), load(zero_sums + 8));
}

template <size_t T>
GEMMA_AVXVNNI_INLINE void store_outputs(const MatrixView& w, size_t panel, const Sums<T>& sums, size_t rows,
                                        float* out, size_t out_stride) {
  __m256i total[T][2];
  for (size_t t = 0; t < T; ++t) total[t][0] = sums.total(t, 0), total[t][1] = sums.total(t, 1);
  avx2::store_outputs<T>(w, panel, total, rows, out, out_stride);
}

}  // namespace gemma::kernels::avxvnni
