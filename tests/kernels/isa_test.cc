// Names and detection of instruction sets, and the table each of them gets.
#include <algorithm>

#include <doctest/doctest.h>

#include "kernels/isa.h"
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

#if defined(__x86_64__)
TEST_CASE("a vector table has its own integer kernels") {
  const KernelTable& portable = kernel_table(Isa::kPortable);
  for (Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni}) {
    CHECK((kernel_table(isa).matmul_int4_group32 != portable.matmul_int4_group32));
    CHECK((kernel_table(isa).matmul_int4_channel != portable.matmul_int4_channel));
    CHECK((kernel_table(isa).matmul_int8_channel != portable.matmul_int8_channel));
    CHECK((kernel_table(isa).quantize_activations != portable.quantize_activations));
  }
}
#endif

}  // namespace
}  // namespace gemma::kernels
