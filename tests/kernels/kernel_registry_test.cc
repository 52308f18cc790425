// Names of kernels, what can be forced, and every matmul of the registry on every instruction set against the
// definition: a new line there is tested from then on.
#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/kernel_registry.h"
#include "tests/kernels/matmul_operands.h"

namespace gemma::kernels {
namespace {

bool needs_whole_groups(const MatmulOperation& operation) {
  return operation.activations == ActivationKind::kInt8Group;
}

TEST_CASE("every matmul of the registry has the definition's bits for 1 to 33 tokens and odd sizes") {
  std::mt19937 engine(1);
  for (const MatmulOperation& operation : matmul_operations()) {
    for (size_t tokens = 1; tokens <= 33; ++tokens) {
      const size_t cols = needs_whole_groups(operation) ? 32 * (1 + tokens % 5) : 13 * tokens + 1;
      check_every_isa(operation, 1 + tokens * 7 % 37, cols, tokens, Fill::kRandom, Fill::kRandom, engine);
    }
  }
}

TEST_CASE("every matmul of the registry is exact at the ends of its levels, over several blocks of columns") {
  std::mt19937 engine(2);
  for (const MatmulOperation& operation : matmul_operations()) {
    for (Fill weights : {Fill::kRandom, Fill::kLowest, Fill::kHighest}) {
      for (Fill inputs : {Fill::kRandom, Fill::kLowest, Fill::kHighest}) {
        for (size_t tokens : {1, 20}) {
          check_every_isa(operation, 17, 2112, tokens, weights, inputs, engine);
        }
      }
    }
  }
}

TEST_CASE(
    "every matmul of the registry has the definition's bits over several panels, blocks and runs of tokens") {
  std::mt19937 engine(3);
  for (const MatmulOperation& operation : matmul_operations()) {
    const size_t cols = needs_whole_groups(operation) ? 288 : 301;
    for (size_t tokens : {256, 259}) {
      check_every_isa(operation, 73, cols, tokens, Fill::kRandom, Fill::kRandom, engine);
    }
  }
}

TEST_CASE("every kernel has one name, and the definition of every operation is among them") {
  std::set<std::string> names;
  for (const KernelVariant& variant : kernel_variants()) CHECK(names.insert(variant.name()).second);
  for (std::string_view operation : operation_names())
    CHECK(names.contains(std::string(operation) + "/portable"));
}

TEST_CASE("a matmul goes by the name that forces its kernel") {
  for (const MatmulOperation& operation : matmul_operations()) {
    CAPTURE(operation.name);
    KernelTable table = kernel_table(supported_isas().front());
    CHECK(force_kernel(std::string(operation.name) + "/portable", table));
    CHECK((table.*operation.entry == kernel_table(Isa::kPortable).*operation.entry));
  }
}

TEST_CASE("a table's chosen kernels are its own instruction set's where there are any") {
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    const auto chosen = chosen_variants(kernel_table(isa));
    CHECK(chosen.size() == operation_names().size());
    for (const KernelVariant& variant : kernel_variants()) {
      if (variant.isa == isa) CHECK(std::find(chosen.begin(), chosen.end(), variant) != chosen.end());
    }
  }
}

TEST_CASE("forcing a kernel replaces that entry and no other") {
  for (const KernelVariant& variant : kernel_variants()) {
    KernelTable table = kernel_table(supported_isas().front());
    auto expected = chosen_variants(table);
    CHECK(force_kernel(variant.name(), table) == variant.supported);
    for (KernelVariant& chosen : expected) {
      if (chosen.operation == variant.operation && variant.supported) chosen = variant;
    }
    CHECK((chosen_variants(table) == expected));
  }
}

TEST_CASE("a name that nobody has changes nothing, and a list skips it") {
  KernelTable table = kernel_table(supported_isas().front());
  const auto before = chosen_variants(table);
  for (const char* name : {"", "int4_group32", "int4_group32/", "/portable", "int4_group32/portable "}) {
    CHECK_FALSE(force_kernel(name, table));
  }
  CHECK((chosen_variants(table) == before));
  force_kernels("nothing/portable,,int4_channel/portable,dot/portable,", table);
  CHECK((table.matmul_int4_channel == kernel_table(Isa::kPortable).matmul_int4_channel));
  CHECK((table.dot == kernel_table(Isa::kPortable).dot));
  CHECK((table.matmul_int8_channel == kernel_table(supported_isas().front()).matmul_int8_channel));
}

}  // namespace
}  // namespace gemma::kernels
