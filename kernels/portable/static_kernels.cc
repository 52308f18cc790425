// Matmuls between static scales in plain C++: the definition (kernels/static_scales.h). Levels are read one
// by one through the packed layout's own accessor, so that a mistake in a clever variant cannot hide in a
// shared trick.
#include <algorithm>

#include "kernels/kernel_table.h"
#include "kernels/pack.h"
#include "kernels/static_scales.h"

namespace gemma::kernels {
namespace {

void quantize_static(const float* x, size_t n, float scale, uint8_t* u) {
  for (size_t i = 0; i < n; ++i) {
    u[i] = static_cast<uint8_t>(static_cast<int>(activation_level(x[i], scale)) + kStaticZero);
  }
}

void matmul_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                   size_t out_stride) {
  constexpr size_t kTile = 16;  // tokens that share one reading of the weights
  for (size_t r = row0; r < row1; ++r) {
    for (size_t t0 = 0; t0 < acts.tokens; t0 += kTile) {
      const size_t n = std::min(kTile, acts.tokens - t0);
      int32_t acc[kTile] = {};
      for (size_t c = 0; c < w.cols; ++c) {
        const int level = panel_level(w, r, c);
        for (size_t t = 0; t < n; ++t) acc[t] += level * (int{acts.u[(t0 + t) * w.cols + c]} - kStaticZero);
      }
      for (size_t t = 0; t < n; ++t) {
        out[(t0 + t) * out_stride + r] =
            static_output(static_cast<float>(acc[t]), w.statics.factors[r], w.statics.output);
      }
    }
  }
}

}  // namespace

void fill_static_portable(KernelTable& table) {
  table.quantize_static = quantize_static;
  table.matmul_int2_static = matmul_static;
  table.matmul_int4_static = matmul_static;
  table.matmul_int8_static = matmul_static;
}

}  // namespace gemma::kernels
