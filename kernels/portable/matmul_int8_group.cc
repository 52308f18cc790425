#include "kernels/int8_group.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::portable {

// Levels and scales are read one by one through the layout's own accessors (kernels/int8_group.h), so that a
// mistake in a clever variant cannot hide in a shared trick.
void matmul_int8_group(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride) {
  const size_t x_groups = w.cols / kGroup;
  for (size_t r = row0; r < row1; ++r) {
    for (size_t t = 0; t < acts.tokens; ++t) out[t * out_stride + r] = 0;
    for (size_t first = 0; first < w.cols; first += w.group) {
      int8_t levels[kGroup];
      for (size_t i = 0; i < w.group; ++i) levels[i] = int8_group_level(w, r, first + i);
      const float scale = int8_group_scale(w, r, first);
      for (size_t t = 0; t < acts.tokens; ++t) {
        const int8_t* x = acts.q + t * w.cols + first;
        int32_t isum = 0;
        for (size_t i = 0; i < w.group; ++i) isum += levels[i] * x[i];
        const float x_scale = acts.scales[t * x_groups + first / kGroup];
        out[t * out_stride + r] += static_cast<float>(isum) * (scale * x_scale);
      }
    }
  }
}

}  // namespace gemma::kernels::portable
