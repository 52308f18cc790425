#if defined(__x86_64__)

#include "kernels/avxvnni/row_scales.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {

void matmul_int8_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    avx2::multiply_unpacked<avx2::Int8Bytes, DotSums, TokenScales>(w, acts, row0, row1, out, out_stride);
  } else {
    avx2::for_each_tile<RowScaleTile<Int8Groups, TokenScales>>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avxvnni

#endif
