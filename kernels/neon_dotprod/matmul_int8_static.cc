#include "kernels/neon_dotprod/panel.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {

void matmul_int8_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  for_each_tile<PanelTile<Int8Levels, FixedScales>>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::neon_dotprod

#endif
