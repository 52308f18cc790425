#include "kernels/neon_i8mm/many_tokens.h"

#if defined(GEMMA_HAVE_NEON_I8MM)

namespace gemma::kernels::neon_i8mm {

void matmul_int8_group(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride) {
  using namespace neon_dotprod;
  if (w.group == kGroup) {
    multiply_groups<Int8Group<kGroup>, Int8Group<kGroup>>(neon_dotprod::matmul_int8_group, w, acts, row0,
                                                          row1, out, out_stride);
  } else {
    multiply_groups<Int8Group<16>, Int8Group<16>>(neon_dotprod::matmul_int8_group, w, acts, row0, row1, out,
                                                  out_stride);
  }
}

}  // namespace gemma::kernels::neon_i8mm

#endif
