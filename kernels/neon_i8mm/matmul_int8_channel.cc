#include "kernels/neon_i8mm/many_tokens.h"

#if defined(GEMMA_HAVE_NEON_I8MM)

namespace gemma::kernels::neon_i8mm {

void matmul_int8_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  using namespace neon_dotprod;
  multiply_panels<Int8Levels, TokenScales>(neon_dotprod::matmul_int8_channel, w, acts, row0, row1, out,
                                           out_stride);
}

}  // namespace gemma::kernels::neon_i8mm

#endif
