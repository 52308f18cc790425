#if defined(__x86_64__)

#include "kernels/avx2/unpack.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {

void matmul_int4_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_unpacked<Int4Bytes, Int16Sums<>, TokenScales>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<Int4Tile<TokenScales>>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
