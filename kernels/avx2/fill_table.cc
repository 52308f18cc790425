#if defined(__x86_64__)

#include "kernels/avx2/integer_kernels.h"

namespace gemma::kernels {

void fill_integer_avx2(KernelTable& table) {
  table.quantize_activations = avx2::quantize_activations;
  table.matmul_int4_group32 = avx2::matmul_int4_group32;
  table.matmul_int4_channel = avx2::matmul_int4_channel;
  table.matmul_int8_channel = avx2::matmul_int8_channel;
  table.matmul_int8_group = avx2::matmul_int8_group;
  table.quantize_static = avx2::quantize_static;
  table.matmul_int2_static = avx2::matmul_int2_static;
  table.matmul_int4_static = avx2::matmul_int4_static;
  table.matmul_int8_static = avx2::matmul_int8_static;
}

}  // namespace gemma::kernels

#endif
