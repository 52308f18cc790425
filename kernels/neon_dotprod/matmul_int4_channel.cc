#include "kernels/neon_dotprod/many_tokens.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {

void matmul_int4_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  multiply_panels<Int4Levels<0>, TokenScales>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::neon_dotprod

#endif
