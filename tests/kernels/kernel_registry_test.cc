// Names of kernels, what can be forced, and every matmul of the registry on every instruction set against the
// definition: a new line there is tested from then on.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/int8_group.h"
#include "kernels/kernel_registry.h"
#include "kernels/pack.h"
#include "kernels/quantize.h"
#include "kernels/static_scales.h"

namespace gemma::kernels {
namespace {

enum class Fill { kRandom, kLowest, kHighest };
constexpr Fill kFills[] = {Fill::kRandom, Fill::kLowest, Fill::kHighest};

std::vector<int8_t> levels(Fill fill, int lowest, int highest, size_t n, std::mt19937& engine) {
  std::vector<int8_t> all(n);
  for (int8_t& level : all) {
    const int random = lowest + static_cast<int>(engine() % static_cast<unsigned>(highest - lowest + 1));
    level = static_cast<int8_t>(fill == Fill::kRandom ? random : fill == Fill::kLowest ? lowest : highest);
  }
  return all;
}

std::vector<float> scales(size_t n, std::mt19937& engine) {
  std::vector<float> all(n);
  for (float& scale : all) scale = 1e-4f * static_cast<float>(1 + engine() % 9999);
  return all;
}

// The two sides of a product of any operation.
struct Operands {
  std::vector<int8_t> weights, q;
  std::vector<uint16_t> halves;
  std::vector<float> w_scales, x_scales, factors;
  std::vector<int32_t> zero_sums, sums;
  std::vector<uint8_t> u;
  std::vector<std::byte> data;
  MatrixView w;
  Activations x;

  Operands(const MatmulOperation& operation, size_t rows, size_t cols, size_t tokens, Fill weight_fill,
           Fill input_fill, std::mt19937& engine) {
    const size_t padded = (rows + kPanelRows - 1) / kPanelRows * kPanelRows;
    const int half = 1 << (operation.bits - 1);
    weights = levels(weight_fill, -half, half - 1, rows * cols, engine);
    if (operation.format == WeightFormat::kInt8Group) {
      w_scales = scales(rows * cols / operation.group, engine);
      data.resize(int8_group_matrix_bytes(rows, cols, operation.group));
      pack_int8_group_rows(cols, operation.group, 0, rows, weights.data(), w_scales.data(), data.data());
    } else {
      for (float scale : scales(rows * cols / kGroup, engine)) halves.push_back(to_f16(scale));
      w_scales = scales(padded, engine);
      data.resize(packed_bytes(operation.format, operation.bits, rows, cols));
      pack_rows(operation.format, operation.bits, rows, cols, 0, rows, weights.data(),
                operation.format == WeightFormat::kInt4Group32 ? halves.data() : nullptr, data.data());
    }
    w = {operation.format, static_cast<uint8_t>(operation.bits), rows, cols, data.data(), w_scales.data(),
         operation.group};

    const bool is_static = operation.activations == ActivationKind::kInt8Static;
    const int highest = operation.activation_levels;
    q = levels(input_fill, is_static ? -128 : -highest, highest, tokens * cols, engine);
    const size_t group = operation.activations == ActivationKind::kInt8Group ? kGroup : cols;
    x_scales = scales(tokens * cols / group, engine);
    for (size_t g = 0; g < tokens * cols / group; ++g) {
      sums.push_back(0);
      for (size_t i = 0; i < group; ++i) sums.back() += q[g * group + i];
    }
    x = {operation.activations, tokens, cols, group, nullptr, q.data(), x_scales.data(), sums.data()};
    if (is_static) {
      for (int8_t level : q) u.push_back(static_cast<uint8_t>(level + kStaticZero));
      factors = scales(padded, engine);
      zero_sums.resize(padded);
      for (size_t r = 0; r < rows; ++r) zero_sums[r] = zero_sum({weights.data() + r * cols, cols});
      w.statics = {factors.data(), zero_sums.data(), 0.25f};
      x.u = u.data();
      x.q = nullptr;
    }
  }

  std::vector<float> product(const KernelTable& table, const MatmulOperation& operation) const {
    std::vector<float> out(x.tokens * w.rows, NAN);
    (table.*operation.entry)(w, x, 0, w.rows, out.data(), w.rows);
    return out;
  }
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void check_every_isa(const MatmulOperation& operation, const Operands& operands) {
  CAPTURE(operation.name);
  CAPTURE(operation.variant);
  CAPTURE(operands.w.rows);
  CAPTURE(operands.w.cols);
  CAPTURE(operands.x.tokens);
  const auto expected = operands.product(kernel_table(Isa::kPortable), operation);
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    CHECK(same_bits(operands.product(kernel_table(isa), operation), expected));
  }
}

bool needs_whole_groups(const MatmulOperation& operation) {
  return operation.activations == ActivationKind::kInt8Group;
}

TEST_CASE("every matmul of the registry has the definition's bits for 1 to 33 tokens and odd sizes") {
  std::mt19937 engine(1);
  for (const MatmulOperation& operation : matmul_operations()) {
    for (size_t tokens = 1; tokens <= 33; ++tokens) {
      const size_t cols = needs_whole_groups(operation) ? 32 * (1 + tokens % 5) : 13 * tokens + 1;
      check_every_isa(operation,
                      {operation, 1 + tokens * 7 % 37, cols, tokens, Fill::kRandom, Fill::kRandom, engine});
    }
  }
}

TEST_CASE("every matmul of the registry is exact at the ends of its levels, over several blocks of columns") {
  std::mt19937 engine(2);
  for (const MatmulOperation& operation : matmul_operations()) {
    for (Fill weights : kFills) {
      for (Fill inputs : kFills) {
        for (size_t tokens : {1, 20}) {
          check_every_isa(operation, {operation, 17, 2112, tokens, weights, inputs, engine});
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
      check_every_isa(operation, {operation, 73, cols, tokens, Fill::kRandom, Fill::kRandom, engine});
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
