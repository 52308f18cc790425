// int8 levels in groups, in plain C++: what the kernel means. Levels are read one by one through the packed
// layout's own accessors, so that a mistake in a clever variant cannot hide in a shared trick.
#include "kernels/int8_group.h"
#include "kernels/kernel_table.h"

namespace gemma::kernels {
namespace {

void matmul_int8_group(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride) {
  const size_t x_groups = w.cols / kGroup;
  for (size_t r = row0; r < row1; ++r) {
    for (size_t t = 0; t < acts.tokens; ++t) {
      const int8_t* x = acts.q + t * w.cols;
      float total = 0;
      for (size_t first = 0; first < w.cols; first += w.group) {
        int32_t isum = 0;
        for (size_t c = first; c < first + w.group; ++c) isum += int8_group_level(w, r, c) * x[c];
        const float x_scale = acts.scales[t * x_groups + first / kGroup];
        total += static_cast<float>(isum) * (int8_group_scale(w, r, first) * x_scale);
      }
      out[t * out_stride + r] = total;
    }
  }
}

}  // namespace

void fill_int8_group_portable(KernelTable& table) {
  table.matmul_int8_group = matmul_int8_group;
}

}  // namespace gemma::kernels
