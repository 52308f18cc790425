// Compiles quantize_kernels-inl.h for every instruction set we have a table for, as float_kernels.cc does.

// Only the targets with a table; the vectors of SVE have no size at compile time and so cannot stand in
// arrays.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantize_kernels.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
// (highway.h and the kernels, once per target)
#include "kernels/quantize_kernels-inl.h"

#if HWY_ONCE
namespace gemma::kernels {

#if HWY_ARCH_X86
void fill_quantize_avx2(KernelTable& table) {
  N_AVX2::fill_quantize(table);
}
void fill_quantize_avx512(KernelTable& table) {
  N_AVX3::fill_quantize(table);
}
#elif HWY_ARCH_ARM_A64
void fill_quantize_neon(KernelTable& table) {
  N_NEON::fill_quantize(table);
}
#endif

}  // namespace gemma::kernels
#endif  // HWY_ONCE
