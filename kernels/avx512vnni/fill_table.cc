#if defined(__x86_64__)

#include "kernels/avx512vnni/integer_kernels.h"

namespace gemma::kernels {

void fill_integer_avx512vnni(KernelTable& table) {
  table.quantize_activations = avx512vnni::quantize_activations;
  table.matmul_int4_group32 = avx512vnni::matmul_int4_group32;
  table.matmul_int4_channel = avx512vnni::matmul_int4_channel;
  table.matmul_int8_channel = avx512vnni::matmul_int8_channel;
  table.matmul_int8_group = avx512vnni::matmul_int8_group;
  table.quantize_static = avx512vnni::quantize_static;
  table.matmul_int2_static = avx512vnni::matmul_int2_static;
  table.matmul_int4_static = avx512vnni::matmul_int4_static;
  table.matmul_int8_static = avx512vnni::matmul_int8_static;
}

}  // namespace gemma::kernels

#endif
