#include "kernels/neon_dotprod/panel.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {

void matmul_int8_group(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride) {
  if (w.group == kGroup) {
    for_each_tile<GroupTile<Int8Group<kGroup>>>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<GroupTile<Int8Group<16>>>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::neon_dotprod

#endif
