#include "kernels/neon_dotprod/many_tokens.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {

void matmul_int4_group32(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_many_tokens<ManyTokensGroups<Int4Group32<8>>>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<GroupTile<Int4Group32<0>>>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::neon_dotprod

#endif
