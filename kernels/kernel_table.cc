#include "kernels/kernel_table.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include "kernels/integer_kernels.h"
#include "kernels/kernel_registry.h"
#include "kernels/streams.h"

namespace gemma::kernels {
namespace {

// Which instruction set each folder of integer kernels is for.
namespace isa_of {
[[maybe_unused]] constexpr Isa portable = Isa::kPortable, avx2 = Isa::kAvx2, avxvnni = Isa::kAvxVnni,
                               avx512vnni = Isa::kAvx512Vnni, neon_dotprod = Isa::kNeonDotprod,
                               neon_i8mm = Isa::kNeonI8mm;
}

void fill_integer(Isa isa, KernelTable& table) {
#define GEMMA_KERNEL(folder, entry) \
  if (isa == isa_of::folder) table.entry = folder::entry;
#include "kernels/integer_kernels.inc"
#undef GEMMA_KERNEL
}

// Each table begins as the definitions; an instruction set replaces what it does better.
KernelTable make_table(Isa isa) {
  KernelTable table;
  table.isa = isa;
  fill_float_portable(table);
  fill_attention_portable(table);
  fill_quantize_portable(table);
  fill_integer(Isa::kPortable, table);
#if defined(__x86_64__)
  if (isa == Isa::kAvx2 || isa == Isa::kAvxVnni) {
    table.streams = kStreams;
    fill_float_avx2(table);
    fill_quantize_avx2(table);
  }
  if (isa == Isa::kAvx512Vnni) {
    table.streams = kStreams;
    fill_float_avx512(table);
    fill_quantize_avx512(table);
  }
#elif defined(__aarch64__)
  if (isa == Isa::kNeon || isa == Isa::kNeonDotprod || isa == Isa::kNeonI8mm) {
    fill_float_neon(table);
    fill_quantize_neon(table);
  }
#endif
  if (const std::optional<Isa> base = extended_isa(isa)) fill_integer(*base, table);
  fill_integer(isa, table);
  return table;
}

template <size_t... I>
std::array<KernelTable, sizeof...(I)> make_tables(std::index_sequence<I...>) {
  return {make_table(static_cast<Isa>(I))...};
}

}  // namespace

const KernelTable& kernel_table(Isa isa) {
  static const auto tables = make_tables(std::make_index_sequence<kIsaCount>());
  return tables[static_cast<size_t>(isa)];
}

Isa default_isa() {
  const auto supported = supported_isas();
  const char* asked = std::getenv("GEMMA_ISA");
  const std::optional<Isa> isa = asked == nullptr ? std::nullopt : parse_isa(asked);
  const bool there = isa && std::find(supported.begin(), supported.end(), *isa) != supported.end();
  return there ? *isa : supported.front();
}

std::string_view default_kernels() {
  const char* asked = std::getenv("GEMMA_KERNEL");
  return asked == nullptr ? std::string_view() : asked;
}

const KernelTable& default_kernel_table() {
  static const KernelTable chosen = [] {  // the environment is read once
    KernelTable table = kernel_table(default_isa());
    force_kernels(default_kernels(), table);
    return table;
  }();
  return chosen;
}

}  // namespace gemma::kernels
