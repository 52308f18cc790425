#include "kernels/integer_kernels.h"
#include "kernels/portable/panel_sums.h"

namespace gemma::kernels::portable {

void matmul_int8_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  for_each_sum(w, acts.tokens, acts.q, row0, row1, [&](size_t r, size_t t, int32_t isum) {
    out[t * out_stride + r] = static_cast<float>(isum) * (w.scales[r] * acts.scales[t]);
  });
}

}  // namespace gemma::kernels::portable
