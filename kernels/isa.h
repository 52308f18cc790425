// Which instruction set the kernels run on. One dispatcher for all of them: detected once, or forced by the
// caller (--isa) or by the environment (GEMMA_ISA).
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace gemma::kernels {

enum class Isa {
  kPortable,     // plain C++: the definition of every kernel
  kAvx2,         // AVX2 + FMA + F16C
  kAvx512Vnni,   // AVX-512 F/BW/DQ/VL/VNNI
  kNeon,         // Armv8.0 NEON
  kNeonDotprod,  // Armv8.2 with sdot/udot
};

std::string_view to_string(Isa isa);  // "portable", "avx2", "avx512vnni", "neon", "neon-dotprod"
std::optional<Isa> parse_isa(std::string_view name);

// What this CPU can run, best first; never empty (portable is last).
std::span<const Isa> supported_isas();

}  // namespace gemma::kernels
