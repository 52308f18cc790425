#include "kernels/kernel_table.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace gemma::kernels {
namespace {

// Each table begins as the definitions; an instruction set replaces what it does better.
KernelTable make_table(Isa isa) {
  KernelTable table;
  table.isa = isa;
  fill_float_portable(table);
  fill_attention_portable(table);
  fill_quantize_portable(table);
  fill_integer_portable(table);
  fill_int8_group_portable(table);
  fill_static_portable(table);
#if defined(__x86_64__)
  if (isa == Isa::kAvx2) {
    fill_float_avx2(table);
    fill_quantize_avx2(table);
    fill_integer_avx2(table);
  }
  if (isa == Isa::kAvx512Vnni) {
    fill_float_avx512(table);
    fill_quantize_avx512(table);
    fill_integer_avx512vnni(table);
  }
#elif defined(__aarch64__)
  if (isa == Isa::kNeon || isa == Isa::kNeonDotprod) {
    fill_float_neon(table);
    fill_quantize_neon(table);
  }
  if (isa == Isa::kNeonDotprod) fill_integer_neon_dotprod(table);
#endif
  return table;
}

}  // namespace

const KernelTable& kernel_table(Isa isa) {
  static const std::array<KernelTable, 5> tables = {
      make_table(Isa::kPortable), make_table(Isa::kAvx2),        make_table(Isa::kAvx512Vnni),
      make_table(Isa::kNeon),     make_table(Isa::kNeonDotprod),
  };
  return tables[static_cast<size_t>(isa)];
}

namespace {

const KernelTable& choose_table() {
  const auto supported = supported_isas();
  const char* asked = std::getenv("GEMMA_ISA");
  if (asked != nullptr) {
    const std::optional<Isa> isa = parse_isa(asked);
    if (isa && std::find(supported.begin(), supported.end(), *isa) != supported.end())
      return kernel_table(*isa);
  }
  return kernel_table(supported.front());
}

}  // namespace

const KernelTable& default_kernel_table() {
  static const KernelTable& chosen = choose_table();  // the environment is read once
  return chosen;
}

}  // namespace gemma::kernels
