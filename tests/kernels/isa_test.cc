// Names and detection of instruction sets, and the table each of them gets.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/integer_kernels.h"
#include "kernels/isa.h"
#include "kernels/kernel_registry.h"
#include "kernels/kernel_table.h"

namespace gemma::kernels {
namespace {

TEST_CASE("every instruction set has the name it is parsed by") {
  for (Isa isa : all_isas()) CHECK(parse_isa(to_string(isa)) == isa);
  CHECK(to_string(Isa::kAvx512Vnni) == "avx512vnni");
  CHECK(to_string(Isa::kNeonDotprod) == "neon-dotprod");
}

TEST_CASE("an unknown name is no instruction set") {
  for (const char* name : {"", "AVX2", "avx", "avx2 ", "?"}) CHECK_FALSE(parse_isa(name).has_value());
}

TEST_CASE("the supported instruction sets are distinct, best first, portable last") {
  const auto isas = supported_isas();
  REQUIRE_FALSE(isas.empty());
  CHECK(isas.back() == Isa::kPortable);
  for (size_t i = 0; i < isas.size(); ++i) CHECK(std::count(isas.begin(), isas.end(), isas[i]) == 1);
  const auto place = [&](Isa isa) { return std::find(isas.begin(), isas.end(), isa); };
  if (place(Isa::kAvx512Vnni) != isas.end()) CHECK(place(Isa::kAvx512Vnni) < place(Isa::kAvx2));
  if (place(Isa::kAvxVnni) != isas.end()) CHECK(place(Isa::kAvxVnni) < place(Isa::kAvx2));
  if (place(Isa::kNeonDotprod) != isas.end()) CHECK(place(Isa::kNeonDotprod) < place(Isa::kNeon));
  if (place(Isa::kNeonI8mm) != isas.end()) CHECK(place(Isa::kNeonI8mm) < place(Isa::kNeonDotprod));
}

TEST_CASE("only instruction sets of this kind of CPU are supported") {
  for (Isa isa : supported_isas()) {
#if defined(__x86_64__)
    CHECK((isa == Isa::kPortable || isa == Isa::kAvx2 || isa == Isa::kAvxVnni || isa == Isa::kAvx512Vnni));
#elif defined(__aarch64__)
    CHECK((isa == Isa::kPortable || isa == Isa::kNeon || isa == Isa::kNeonDotprod || isa == Isa::kNeonI8mm));
#else
    CHECK(isa == Isa::kPortable);
#endif
  }
}

TEST_CASE("a table knows its instruction set and lacks no entry") {
  for (Isa isa : all_isas()) {
    CAPTURE(to_string(isa));
    const KernelTable& table = kernel_table(isa);
    CHECK(table.isa == isa);
    CHECK((table.matmul_float != nullptr));
    CHECK((table.dot != nullptr));
    CHECK((table.rms_norm != nullptr));
    CHECK((table.gelu_mul != nullptr));
    CHECK((table.add != nullptr));
    CHECK((table.scale != nullptr));
    CHECK((table.softcap != nullptr));
    CHECK((table.rope != nullptr));
    CHECK((table.attention_span != nullptr));
    CHECK((table.attention_merge != nullptr));
    CHECK((table.attention_finish != nullptr));
    CHECK((table.float_to_bf16 != nullptr));
    CHECK((table.float_to_f16 != nullptr));
    CHECK((table.bf16_to_float != nullptr));
    CHECK((table.f16_to_float != nullptr));
    CHECK((table.quantize_activations != nullptr));
    CHECK((table.matmul_int4_group32 != nullptr));
    CHECK((table.matmul_int4_channel != nullptr));
    CHECK((table.matmul_int8_channel != nullptr));
  }
}

TEST_CASE("the default table is of an instruction set this CPU has") {
  const auto isas = supported_isas();
  CHECK(std::find(isas.begin(), isas.end(), default_kernel_table().isa) != isas.end());
}

// The flags of the first CPU, as the operating system lists them: another way to know than isa.cc takes.
std::set<std::string> cpu_flags() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    std::set<std::string> flags;
    for (std::string word; words >> word;) flags.insert(word);
    return flags;
  }
  return {};
}

// Whether every matmul of whole numbers is a kernel of this instruction set and of no other.
bool has_own_matmuls(Isa isa) {
  return std::ranges::all_of(matmul_operations(), [&](const MatmulOperation& operation) {
    return std::ranges::all_of(all_isas(), [&](Isa other) {
      return other == isa || kernel_table(other).*operation.entry != kernel_table(isa).*operation.entry;
    });
  });
}

#if defined(__linux__)
TEST_CASE("what the operating system says a CPU has is offered") {
  struct Demand {
    Isa isa;
    std::vector<std::string> flags;
  };
#if defined(__x86_64__)
  const std::vector<std::string> avx2 = {"avx2", "fma", "bmi2", "f16c"};
  const std::vector<std::string> avx512 = {"avx512f",  "avx512bw", "avx512dq",
                                           "avx512vl", "avx512cd", "avx512_vnni"};
  std::vector<Demand> demands = {{Isa::kAvx2, avx2}, {Isa::kAvxVnni, avx2}, {Isa::kAvx512Vnni, avx2}};
  demands[1].flags.push_back("avx_vnni");
  demands[2].flags.insert(demands[2].flags.end(), avx512.begin(), avx512.end());
#elif defined(__aarch64__)
  const std::vector<Demand> demands = {{Isa::kNeonDotprod, {"asimddp"}},
                                       {Isa::kNeonI8mm, {"asimddp", "i8mm"}}};
#else
  const std::vector<Demand> demands;
#endif
  const auto flags = cpu_flags();
  const auto offered = supported_isas();
  REQUIRE_FALSE(flags.empty());
  for (const Demand& demand : demands) {
    CAPTURE(to_string(demand.isa));
    const bool has_all =
        std::ranges::all_of(demand.flags, [&](const auto& flag) { return flags.contains(flag); });
    CHECK((!has_all || std::ranges::count(offered, demand.isa) == 1));
  }
}
#endif

TEST_CASE("the instruction sets that a test run is there for are supported, with kernels of their own") {
  const char* wanted = std::getenv("GEMMA_TEST_ISAS");  // tests/CMakeLists.txt
  std::istringstream names(wanted == nullptr ? "" : wanted);
  const auto supported = supported_isas();
  for (std::string name; std::getline(names, name, ',');) {
    CAPTURE(name);
    const auto isa = parse_isa(name);
    REQUIRE(isa.has_value());
    CHECK(std::ranges::count(supported, *isa) == 1);
    CHECK(has_own_matmuls(*isa));
  }
}

TEST_CASE("a vector table has its own integer kernels") {
  std::vector<Isa> isas;
#if defined(__x86_64__)
  isas = {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni};
#elif defined(GEMMA_HAVE_NEON_DOTPROD) && defined(GEMMA_HAVE_NEON_I8MM)
  isas = {Isa::kNeonDotprod, Isa::kNeonI8mm};
#endif
  const KernelTable& portable = kernel_table(Isa::kPortable);
  for (Isa isa : isas) {
    CAPTURE(to_string(isa));
    CHECK(has_own_matmuls(isa));
    CHECK((kernel_table(isa).quantize_activations != portable.quantize_activations));
    CHECK((kernel_table(isa).quantize_static != portable.quantize_static));
  }
}

}  // namespace
}  // namespace gemma::kernels
