#include "kernels/isa.h"

#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace gemma::kernels {
namespace {

constexpr Isa kAll[kIsaCount] = {Isa::kPortable, Isa::kAvx2,        Isa::kAvxVnni, Isa::kAvx512Vnni,
                                 Isa::kNeon,     Isa::kNeonDotprod, Isa::kNeonI8mm};

#if defined(__x86_64__)
// Clang 14 does not know "f16c" in __builtin_cpu_supports, nor do it and GCC 12 know "avxvnni".
bool has_f16c() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool has_avxvnni([[maybe_unused]] bool avx512) {
#if defined(GEMMA_AVXVNNI_EVEX)
  return avx512;  // the kernels were compiled to the same instruction of AVX-512 (kernels/avxvnni/panel.h)
#else
  unsigned eax, ebx, ecx, edx;
  constexpr unsigned kAvxVnniBit = 1u << 4;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvxVnniBit) != 0;
#endif
}
#endif

std::vector<Isa> detect() {
  std::vector<Isa> isas;
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks whether the operating system saves the wide registers.
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi2") && has_f16c();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vnni");
  if (avx2 && avx512) isas.push_back(Isa::kAvx512Vnni);
  if (avx2 && has_avxvnni(avx512)) isas.push_back(Isa::kAvxVnni);
  if (avx2) isas.push_back(Isa::kAvx2);
#elif defined(__aarch64__)
  const bool dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  if (dotprod && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0) isas.push_back(Isa::kNeonI8mm);
  if (dotprod) isas.push_back(Isa::kNeonDotprod);
  isas.push_back(Isa::kNeon);
#endif
  isas.push_back(Isa::kPortable);
  return isas;
}

}  // namespace

std::span<const Isa> all_isas() {
  return kAll;
}

std::string_view to_string(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return "portable";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvxVnni:
      return "avxvnni";
    case Isa::kAvx512Vnni:
      return "avx512vnni";
    case Isa::kNeon:
      return "neon";
    case Isa::kNeonDotprod:
      return "neon-dotprod";
    case Isa::kNeonI8mm:
      return "neon-i8mm";
  }
  return "?";
}

std::optional<Isa> parse_isa(std::string_view name) {
  for (Isa isa : kAll) {
    if (to_string(isa) == name) return isa;
  }
  return std::nullopt;
}

std::optional<Isa> extended_isa(Isa isa) {
  if (isa == Isa::kAvxVnni) return Isa::kAvx2;
  if (isa == Isa::kNeonI8mm) return Isa::kNeonDotprod;
  return std::nullopt;
}

std::span<const Isa> supported_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

}  // namespace gemma::kernels
