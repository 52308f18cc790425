#if defined(__aarch64__)

#include "kernels/neon_dotprod/integer_kernels.h"
#include "kernels/neon_dotprod/panel.h"

namespace gemma::kernels {

void fill_integer_neon_dotprod([[maybe_unused]] KernelTable& table) {
#if defined(GEMMA_HAVE_NEON_DOTPROD)
  table.quantize_activations = neon_dotprod::quantize_activations;
  table.matmul_int4_group32 = neon_dotprod::matmul_int4_group32;
  table.matmul_int4_channel = neon_dotprod::matmul_int4_channel;
  table.matmul_int8_channel = neon_dotprod::matmul_int8_channel;
  table.matmul_int8_group = neon_dotprod::matmul_int8_group;
  table.quantize_static = neon_dotprod::quantize_static;
  table.matmul_int2_static = neon_dotprod::matmul_int2_static;
  table.matmul_int4_static = neon_dotprod::matmul_int4_static;
  table.matmul_int8_static = neon_dotprod::matmul_int8_static;
#endif
}

}  // namespace gemma::kernels

#endif
