// Compiles float_kernels-inl.h for every instruction set we have a table for, and hands the functions over.
// Which table runs is decided in kernel_table.cc: Highway is the compiler here, not the dispatcher.

// Only the targets with a table; GCC 12 would also compile SSSE3, SSE4 and two more AVX-512 levels, and for
// ARM four of SVE, whose vectors have no size at compile time and so cannot stand in the arrays of these
// kernels.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/float_kernels.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
// (highway.h and the kernels, once per target)
#include "kernels/float_kernels-inl.h"

#if HWY_ONCE
namespace gemma::kernels {

#if HWY_ARCH_X86
void fill_float_avx2(KernelTable& table) {
  N_AVX2::fill_float(table);
}
void fill_float_avx512(KernelTable& table) {
  N_AVX3::fill_float(table);
}
#elif HWY_ARCH_ARM_A64
void fill_float_neon(KernelTable& table) {
  N_NEON::fill_float(table);
}
#endif

}  // namespace gemma::kernels
#endif  // HWY_ONCE
