// Which instruction set the kernels run on. One dispatcher for all of them: detected once, or forced by the
// caller (--isa) or by the environment (GEMMA_ISA).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace gemma::kernels {

enum class Isa {
  kPortable,     // plain C++: the definition of every kernel
  kAvx2,         // AVX2 + FMA + F16C
  kAvxVnni,      // the same with vpdpbusd on 256 bits (Alder Lake and later, Zen 5)
  kAvx512Vnni,   // AVX-512 F/BW/DQ/VL/VNNI
  kNeon,         // Armv8.0 NEON
  kNeonDotprod,  // Armv8.2 with sdot/udot
  kNeonI8mm,     // Armv8.6 with smmla/usmmla besides
};

inline constexpr size_t kIsaCount = 7;

// Every instruction set there is, in the order of the enumeration.
std::span<const Isa> all_isas();

// "portable", "avx2", "avxvnni", "avx512vnni", "neon", "neon-dotprod", "neon-i8mm"
std::string_view to_string(Isa isa);
std::optional<Isa> parse_isa(std::string_view name);

// The instruction set whose kernels stand in where this one has none of its own; nothing: the definitions do.
std::optional<Isa> extended_isa(Isa isa);

// What this CPU can run, best first; never empty (portable is last).
std::span<const Isa> supported_isas();

}  // namespace gemma::kernels
