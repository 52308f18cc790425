// The kernels that were asked for are the ones that run: in every table that is put together, and wherever
// weights are read, quantized and packed.
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>

#include <doctest/doctest.h>

#include "engine/matrix_builder.h"
#include "engine/model.h"
#include "engine/table_packer.h"
#include "engine/weights.h"
#include "kernels/kernel_registry.h"
#include "tests/engine/memory_source.h"

namespace gemma {
namespace {

using kernels::Isa;
using kernels::KernelTable;

// How often each entry of a counting table was called.
struct Calls {
  std::atomic<int> bf16_to_float, f16_to_float, float_to_bf16, float_to_f16, recover_grid, q4_0_textbook,
      absmax, symmetric_levels;
};
Calls calls;

// The definitions, counted. Nobody but this test has this table, so what is not counted ran on another one.
KernelTable counting_table() {
  static const KernelTable& counted = kernels::kernel_table(Isa::kPortable);
  for (auto* count : {&calls.bf16_to_float, &calls.f16_to_float, &calls.float_to_bf16, &calls.float_to_f16,
                      &calls.recover_grid, &calls.q4_0_textbook, &calls.absmax, &calls.symmetric_levels}) {
    *count = 0;
  }
  KernelTable table = counted;
  table.bf16_to_float = [](const uint16_t* x, float* y, size_t n) {
    ++calls.bf16_to_float;
    counted.bf16_to_float(x, y, n);
  };
  table.f16_to_float = [](const uint16_t* x, float* y, size_t n) {
    ++calls.f16_to_float;
    counted.f16_to_float(x, y, n);
  };
  table.float_to_bf16 = [](const float* x, uint16_t* y, size_t n) {
    ++calls.float_to_bf16;
    counted.float_to_bf16(x, y, n);
  };
  table.float_to_f16 = [](const float* x, uint16_t* y, size_t n) {
    ++calls.float_to_f16;
    counted.float_to_f16(x, y, n);
  };
  table.recover_grid = [](const float* w, size_t groups, int8_t* levels, uint16_t* scales) {
    ++calls.recover_grid;
    return counted.recover_grid(w, groups, levels, scales);
  };
  table.q4_0_textbook = [](const float* w, size_t groups, int8_t* levels, uint16_t* scales) {
    ++calls.q4_0_textbook;
    return counted.q4_0_textbook(w, groups, levels, scales);
  };
  table.absmax = [](const float* w, size_t n) {
    ++calls.absmax;
    return counted.absmax(w, n);
  };
  table.symmetric_levels = [](const float* w, size_t n, float scale, int bits, int8_t* levels) {
    ++calls.symmetric_levels;
    counted.symmetric_levels(w, n, scale, bits, levels);
  };
  return table;
}

constexpr size_t kRows = 40, kCols = 64;

// One matrix, with values on no grid.
struct OneMatrix : MemorySource {
  explicit OneMatrix(const char* name) {
    std::vector<float> values(kRows * kCols);
    for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i * i));
    add(name, {kRows, kCols}, values);
  }
};

void build(const char* scheme_word, const KernelTable& table) {
  const OneMatrix source("w");
  const Scheme scheme = *parse_scheme(scheme_word);
  const ThreadTeam team(2);
  const Progress silent;
  MatrixBuilder builder(scheme, source, table, team, 0, silent);
  REQUIRE(builder.matrix(*source.find("w"), TensorClass::kMlp, 0, kRows).has_value());
}

ModelOptions asking_for(std::optional<Isa> isa, std::vector<std::string> names) {
  ModelOptions options;
  options.isa = isa;
  options.kernels = std::move(names);
  return options;
}

std::string variant_of(const KernelTable& table, std::string_view operation) {
  for (const kernels::KernelVariant& variant : kernels::chosen_variants(table)) {
    if (variant.operation == operation) return variant.name();
  }
  return {};
}

TEST_CASE("a matrix is read, quantized and packed by the kernels that its builder was given") {
  const KernelTable table = counting_table();
  build("int4", table);
  CHECK(calls.bf16_to_float > 0);
  CHECK(calls.recover_grid > 0);   // is it on a grid?
  CHECK(calls.q4_0_textbook > 0);  // it is not
  CHECK(calls.f16_to_float > 0);
  CHECK(calls.float_to_f16 > 0);
  CHECK(calls.symmetric_levels == 0);
  build("int8", table);
  CHECK(calls.absmax >= static_cast<int>(kRows));
  CHECK(calls.symmetric_levels >= static_cast<int>(kRows));
  CHECK(calls.float_to_bf16 == 0);
  build("bf16", table);
  CHECK(calls.float_to_bf16 > 0);
}

TEST_CASE("rows of the per-layer table are read and rounded by the chosen kernels, every time") {
  const KernelTable table = counting_table();
  const OneMatrix source("ple");
  StoredTensor stored = *StoredTensor::open(source, *source.find("ple"), table);
  const PleTable rows(std::move(stored), WeightQuantizer::per_group(8, kCols));
  StoredTensor::Scratch scratch;
  std::vector<float> row(kCols);
  for (int token = 1; token <= 3; ++token) {
    REQUIRE(rows.row(static_cast<size_t>(token), kCols, scratch, row));
    CHECK(calls.bf16_to_float == token);
    CHECK(calls.absmax == token);
    CHECK(calls.symmetric_levels == token);
  }
}

TEST_CASE("a packed per-layer table is made by the chosen kernels") {
  const KernelTable table = counting_table();
  const OneMatrix source("ple");
  const StoredTensor stored = *StoredTensor::open(source, *source.find("ple"), table);
  TensorInfo packed = stored.info();
  packed.encoding = Encoding::kQ4_0;
  const WeightQuantizer quantizer = WeightQuantizer::q4_0(false);
  TablePacker::Scratch scratch;
  RoundingError error;
  std::vector<std::byte> to(packed.row_bytes());
  REQUIRE(
      TablePacker(stored, quantizer, packed, false).pack(0, scratch, to.data(), nullptr, error).has_value());
  CHECK(calls.bf16_to_float == 1);
  CHECK(calls.q4_0_textbook == 1);
  CHECK(calls.float_to_f16 == 1);
}

TEST_CASE("whether a tensor lies on a grid is found by the chosen kernels") {
  const KernelTable table = counting_table();
  const OneMatrix source("layers.0.mlp.up_proj.weight");
  REQUIRE_FALSE(*trained_on_grid(source, table));
  CHECK(calls.bf16_to_float > 0);
  CHECK(calls.recover_grid > 0);
}

TEST_CASE("a model has the instruction set and the kernels that its options name") {
  for (Isa isa : kernels::supported_isas()) {
    CAPTURE(kernels::to_string(isa));
    const auto table = kernel_table_of(asking_for(isa, {}));
    REQUIRE(table.has_value());
    CHECK(table->isa == isa);
    CHECK(kernels::chosen_variants(*table) == kernels::chosen_variants(kernels::kernel_table(isa)));
  }
  const auto table = kernel_table_of(asking_for({}, {"rope/portable", "int4_group32/portable"}));
  REQUIRE(table.has_value());
  const KernelTable& best = kernels::kernel_table(kernels::default_isa());
  for (std::string_view operation : kernels::operation_names()) {
    CAPTURE(operation);
    const bool named = operation == "rope" || operation == "int4_group32";
    CHECK(variant_of(*table, operation) ==
          (named ? std::string(operation) + "/portable" : variant_of(best, operation)));
  }

  ModelOptions options = asking_for(Isa::kPortable, {});
  options.scheme = "int4";
  const auto model = Model::load("synthetic:tiny", options);
  REQUIRE(model.has_value());
  CHECK((*model)->kernels().isa == Isa::kPortable);
}

TEST_CASE("kernels named by option replace those of the environment, which count without") {
  ::setenv("GEMMA_KERNEL", "dot/portable,add/portable", 1);
  const auto silent = kernel_table_of(asking_for({}, {}));
  const auto other_isa = kernel_table_of(asking_for(kernels::supported_isas().front(), {}));
  const auto named = kernel_table_of(asking_for({}, {"rope/portable"}));
  ::unsetenv("GEMMA_KERNEL");
  REQUIRE((silent.has_value() && other_isa.has_value() && named.has_value()));
  const KernelTable& best = kernels::kernel_table(kernels::default_isa());
  for (const auto* table : {&silent, &other_isa}) {
    CHECK(variant_of(**table, "dot") == "dot/portable");
    CHECK(variant_of(**table, "add") == "add/portable");
    CHECK(variant_of(**table, "rope") == variant_of(best, "rope"));
  }
  CHECK(variant_of(*named, "dot") == variant_of(best, "dot"));
  CHECK(variant_of(*named, "rope") == "rope/portable");
}

TEST_CASE("the instruction set of the environment is taken, one that no CPU has is passed over") {
  ::setenv("GEMMA_ISA", "portable", 1);
  const auto asked = kernel_table_of({});
  ::setenv("GEMMA_ISA", "mmx", 1);
  const auto unknown = kernel_table_of({});
  ::unsetenv("GEMMA_ISA");
  REQUIRE((asked.has_value() && unknown.has_value()));
  CHECK(asked->isa == Isa::kPortable);
  CHECK(unknown->isa == kernels::supported_isas().front());
}

}  // namespace
}  // namespace gemma
