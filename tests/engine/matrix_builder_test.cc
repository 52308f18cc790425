// Matrices from a source: trained grids found and kept, strays counted, experts stacked, threads without a
// say.
#include <cmath>
#include <random>

#include <doctest/doctest.h>

#include "engine/matrix_builder.h"
#include "kernels/pack.h"
#include "tests/engine/memory_source.h"

namespace gemma {
namespace {

struct OnGrid {
  std::vector<float> values;
  std::vector<int8_t> levels;
};

// Rows of groups whose levels have no common divisor, on steps of all sizes.
OnGrid on_grid_values(size_t rows, size_t cols, unsigned seed) {
  std::mt19937 engine(seed);
  OnGrid made;
  for (size_t i = 0; i < rows * cols; ++i) {
    const int level = i % 32 == 0 ? 7 : i % 32 == 1 ? -8 : static_cast<int>(engine() % 16) - 8;
    made.levels.push_back(static_cast<int8_t>(level));
  }
  for (size_t g = 0; g < rows * cols / 32; ++g) {
    const float step =
        std::ldexp(1 + static_cast<float>(engine() % 65536) / 65536, -8 - static_cast<int>(g % 6));
    for (size_t i = g * 32; i < (g + 1) * 32; ++i) made.values.push_back(step * made.levels[i]);
  }
  return made;
}

std::vector<float> normal_values(size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> values(n);
  for (float& value : values) value = normal(engine);
  return values;
}

// What a builder needs, for a source.
struct Bench {
  const TensorSource& source;
  ThreadTeam team;
  Scheme scheme;
  Progress progress;
  MatrixBuilder builder;
  Bench(const TensorSource& from, const char* word, size_t threads = 2, Progress told = {})
      : source(from),
        team(threads),
        scheme(*parse_scheme(word)),
        progress(std::move(told)),
        builder(scheme, source, kernels::default_kernel_table(), team, 1000, progress) {}
};

std::vector<int8_t> levels_of(const Matrix& matrix) {
  std::vector<int8_t> levels(matrix.view().rows * matrix.view().cols);
  for (size_t r = 0; r < matrix.view().rows; ++r) {
    kernels::unpack_levels(matrix.view(), r, levels.data() + r * matrix.view().cols);
  }
  return levels;
}

TEST_CASE("a matrix on a trained grid keeps its levels under int4") {
  const OnGrid grid = on_grid_values(100, 96, 1);
  MemorySource source;
  source.add("w", {100, 96}, grid.values);
  Bench bench(source, "int4");
  const Result<Matrix> matrix = bench.builder.matrix(*source.find("w"), TensorClass::kMlp, 0, 100);
  REQUIRE(matrix.has_value());
  CHECK(levels_of(*matrix) == grid.levels);
  const TensorReport report = bench.builder.take_reports().front();
  CHECK(report.on_grid);
  CHECK(report.groups == 300);
  CHECK(report.off_grid_groups == 0);
}

TEST_CASE("strays in a tensor that has a grid are counted and get the least error") {
  OnGrid grid = on_grid_values(640, 64, 2);
  // Rows 3 and 7 are none of the 32 that are sampled (every 20th from the 10th on).
  const std::vector<float> strays = normal_values(64, 3);
  std::copy(strays.begin(), strays.end(), grid.values.begin() + 3 * 64);
  std::copy(strays.begin(), strays.begin() + 32, grid.values.begin() + 7 * 64);
  MemorySource source;
  source.add("w", {640, 64}, grid.values);
  Bench bench(source, "int4");
  const Result<Matrix> matrix = bench.builder.matrix(*source.find("w"), TensorClass::kMlp, 0, 640);
  REQUIRE(matrix.has_value());
  const TensorReport report = bench.builder.take_reports().front();
  CHECK(report.on_grid);
  CHECK(report.off_grid_groups == 3);
  float w[32];
  for (size_t i = 0; i < 32; ++i) w[i] = kernels::from_bf16(kernels::to_bf16(strays[i]));
  int8_t levels[32];
  const uint16_t scale = kernels::q4_0_least_error(w, levels);
  CHECK(kernels::weight_scale(matrix->view(), 7, 0) == kernels::from_f16(scale));
  const std::vector<int8_t> found = levels_of(*matrix);
  CHECK(std::equal(levels, levels + 32, found.begin() + 7 * 64));
  CHECK(std::equal(grid.levels.begin() + 8 * 64, grid.levels.end(), found.begin() + 8 * 64));
}

TEST_CASE(
    "a tensor without a grid is quantized by the textbook, or with the least error where that is said") {
  const std::vector<float> values = normal_values(40 * 64, 4);
  MemorySource source;
  source.add("w", {40, 64}, values);
  for (OffGrid off_grid : {OffGrid::kTextbook, OffGrid::kLeastError}) {
    Bench bench(source, "int4");
    bench.builder.set_off_grid(off_grid);
    const Result<Matrix> matrix = bench.builder.matrix(*source.find("w"), TensorClass::kMlp, 0, 40);
    REQUIRE(matrix.has_value());
    const TensorReport report = bench.builder.take_reports().front();
    CHECK_FALSE(report.on_grid);
    CHECK(report.groups == 80);
    CHECK(report.off_grid_groups == 0);  // no grid to be off
    for (size_t g = 0; g < 80; ++g) {
      float w[32];
      for (size_t i = 0; i < 32; ++i) w[i] = kernels::from_bf16(kernels::to_bf16(values[g * 32 + i]));
      int8_t levels[32];
      const uint16_t scale = off_grid == OffGrid::kTextbook ? kernels::q4_0_textbook(w, levels)
                                                            : kernels::q4_0_least_error(w, levels);
      REQUIRE(kernels::weight_scale(matrix->view(), g / 2, g % 2 * 32) == kernels::from_f16(scale));
    }
  }
}

TEST_CASE("a tensor off the grid of a trained checkpoint gets the least error, in any other the textbook") {
  const std::vector<float> values = normal_values(40 * 64, 14);
  for (size_t trained : {size_t{1}, size_t{3}}) {
    MemorySource source;
    source.add("embed_tokens.weight", {40, 64}, values);
    for (size_t i = 0; i < 4; ++i) {
      source.add("layers.0.w" + std::to_string(i), {40, 64},
                 i < trained ? on_grid_values(40, 64, 15).values : values);
    }
    source.add("layers.0.router.proj.weight", {40, 64}, values);
    Bench bench(source, "int4");
    const TensorInfo& tensor = *source.find("embed_tokens.weight");
    const Result<Matrix> matrix = bench.builder.matrix(tensor, TensorClass::kEmbed, 0, 40);
    REQUIRE(matrix.has_value());
    for (size_t g = 0; g < 80; ++g) {
      float w[32];
      for (size_t i = 0; i < 32; ++i) w[i] = kernels::from_bf16(kernels::to_bf16(values[g * 32 + i]));
      int8_t levels[32];
      const uint16_t scale =
          trained == 3 ? kernels::q4_0_least_error(w, levels) : kernels::q4_0_textbook(w, levels);
      REQUIRE(kernels::weight_scale(matrix->view(), g / 2, g % 2 * 32) == kernels::from_f16(scale));
    }
  }
}

TEST_CASE("stacked experts equal matrices built one by one, in every form") {
  const size_t experts = 5, rows = 24, cols = 64;
  MemorySource source;
  source.add("w", {experts, rows, cols}, normal_values(experts * rows * cols, 5));
  const TensorInfo& tensor = *source.find("w");
  for (const char* word :
       {"int4", "int8", "int4-channel", "w3g32", "w2t", "w8c", "fake:w4g32", "f32", "bf16"}) {
    CAPTURE(word);
    Bench bench(source, word);
    const Result<std::vector<Matrix>> all = bench.builder.matrices(tensor, TensorClass::kExperts, experts);
    REQUIRE(all.has_value());
    REQUIRE(all->size() == experts);
    for (size_t e = 0; e < experts; ++e) {
      const Result<Matrix> one = bench.builder.matrix(tensor, TensorClass::kExperts, e * rows, rows);
      REQUIRE(one.has_value());
      REQUIRE(reinterpret_cast<uintptr_t>((*all)[e].view().data) % 64 == 0);
      std::vector<float> found(cols), expected(cols);
      for (size_t r = 0; r < rows; ++r) {
        kernels::dequantize_row((*all)[e].view(), r, found.data());
        kernels::dequantize_row(one->view(), r, expected.data());
        REQUIRE(found == expected);
      }
    }
    const TensorReport report = bench.builder.take_reports().front();
    CHECK(report.elements == 2 * experts * rows * cols);
  }
}

TEST_CASE("the number of threads changes no bit") {
  MemorySource source;
  source.add("w", {3000, 96}, normal_values(3000 * 96, 6));
  for (const char* word : {"int4", "int8", "w4c"}) {
    std::vector<std::vector<float>> results;
    for (size_t threads : {1, 2, 5}) {
      Bench bench(source, word, threads);
      const Result<Matrix> matrix = bench.builder.matrix(*source.find("w"), TensorClass::kMlp, 0, 3000);
      REQUIRE(matrix.has_value());
      std::vector<float>& all = results.emplace_back(3000 * 96);
      for (size_t r = 0; r < 3000; ++r) kernels::dequantize_row(matrix->view(), r, all.data() + r * 96);
    }
    CHECK(results[0] == results[1]);
    CHECK(results[0] == results[2]);
  }
}

TEST_CASE("progress never goes back and ends at what was built") {
  MemorySource source;
  source.add("w", {2000, 512}, normal_values(2000 * 512, 7));
  std::vector<uint64_t> told;
  Bench bench(source, "int4", 2, [&](uint64_t done, uint64_t) { told.push_back(done); });
  REQUIRE(bench.builder.matrix(*source.find("w"), TensorClass::kMlp, 0, 2000).has_value());
  REQUIRE(!told.empty());
  CHECK(std::is_sorted(told.begin(), told.end()));
  CHECK(told.back() == 2000 * 512);
}

TEST_CASE("a grid is found by samples, and ordinary weights cost one row") {
  MemorySource source;
  source.add("grid", {64, 64}, on_grid_values(64, 64, 8).values);
  source.add("normal", {64, 64}, normal_values(64 * 64, 9));
  source.add("zeros", {64, 64}, std::vector<float>(64 * 64));
  source.add("narrow", {64, 40}, std::vector<float>(64 * 40, 1.0f));
  const auto found = [&](const char* name) {
    const Result<StoredTensor> stored =
        StoredTensor::open(source, *source.find(name), kernels::default_kernel_table());
    REQUIRE(stored.has_value());
    const Result<bool> grid = on_grid(*stored);
    REQUIRE(grid.has_value());
    return *grid;
  };
  CHECK(found("grid"));
  CHECK_FALSE(found("normal"));
  CHECK_FALSE(found("zeros"));
  CHECK_FALSE(found("narrow"));
  CHECK(source.reads("normal") == 1);
  CHECK(source.reads("grid") == 32);
}

}  // namespace
}  // namespace gemma
