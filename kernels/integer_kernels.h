// Declares the functions of integer_kernels.inc, each in the namespace of its folder; what they mean is in
// kernel_table.h.
#pragma once

#include <type_traits>

#include "kernels/kernel_table.h"

// Clang declares the intrinsics of sdot and smmla only to files compiled for them before version 16; built by
// such a one, ARM tables hold the definitions.
#if defined(__aarch64__) && (!defined(__clang__) || __clang_major__ >= 16)
#define GEMMA_HAVE_NEON_DOTPROD 1
#define GEMMA_HAVE_NEON_I8MM 1
#endif

namespace gemma::kernels {

#define GEMMA_KERNEL(folder, entry)                          \
  namespace folder {                                         \
  std::remove_pointer_t<decltype(KernelTable::entry)> entry; \
  }
#include "kernels/integer_kernels.inc"
#undef GEMMA_KERNEL

}  // namespace gemma::kernels
