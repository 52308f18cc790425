#if defined(__x86_64__)

#include "kernels/avx512vnni/row_scales.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {

void matmul_int4_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  for_each_tile<RowScaleTile<Int4Steps, TokenScales>>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
