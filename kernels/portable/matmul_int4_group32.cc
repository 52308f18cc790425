#include "kernels/integer_kernels.h"
#include "kernels/pack.h"

namespace gemma::kernels::portable {

// Levels and scales are read through the layout's own accessors (kernels/pack.h), so that a mistake in a clever
// variant cannot hide in a shared trick.
void matmul_int4_group32(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  const size_t groups = w.cols / kGroup;
  for (size_t r = row0; r < row1; ++r) {
    for (size_t t = 0; t < acts.tokens; ++t) out[t * out_stride + r] = 0;
    for (size_t g = 0; g < groups; ++g) {
      int8_t levels[kGroup];
      panel_levels(w, r, g * kGroup, kGroup, levels);
      const float scale = weight_scale(w, r, g * kGroup);
      for (size_t t = 0; t < acts.tokens; ++t) {
        const int8_t* x = acts.q + t * w.cols + g * kGroup;
        int32_t isum = 0;
        for (size_t i = 0; i < kGroup; ++i) isum += levels[i] * x[i];
        out[t * out_stride + r] += static_cast<float>(isum) * (scale * acts.scales[t * groups + g]);
      }
    }
  }
}

}  // namespace gemma::kernels::portable
