// The integer matmuls of every instruction set against the portable definition, bit for bit; the definition
// itself against float64; and the promise that no result depends on the batch or row range it came in.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "tests/kernels/matmul_operands.h"

namespace gemma::kernels {
namespace {

MatmulOperation group32() {
  return operation_of(WeightFormat::kInt4Group32, ActivationKind::kInt8Group);
}
MatmulOperation channel(WeightFormat format) {
  return operation_of(format, ActivationKind::kInt8Token);
}
std::vector<MatmulOperation> operations() {
  return {group32(), channel(WeightFormat::kInt4Channel), channel(WeightFormat::kInt8Channel)};
}

// The same with activations of 4 bits.
MatmulOperation with_int4_activations(MatmulOperation operation) {
  operation.activations = ActivationKind::kInt4Token;
  operation.activation_levels = 7;
  return operation;
}

void check_shapes(const MatmulOperation& operation, const std::vector<size_t>& widths) {
  std::mt19937 engine(1);
  const size_t heights[] = {1, 15, 16, 17, 40, 50};
  size_t height = 0;
  for (size_t cols : widths) {
    for (size_t tokens : {1, 2, 3, 4, 5, 7, 8, 12, 13, 33}) {
      const size_t rows = heights[height++ % 6];
      check_every_isa(operation, rows, cols, tokens, Fill::kRandom, Fill::kRandom, engine);
    }
  }
}

const std::vector<size_t> kWholeGroups = {32, 64, 96, 256, 1024, 2112};
const std::vector<size_t> kAnyWidth = {1, 3, 4, 31, 32, 33, 36, 63, 64, 70, 97, 511, 1024, 2112};

TEST_CASE("int4 in groups of 32 has the definition's bits on every instruction set") {
  check_shapes(group32(), kWholeGroups);
}

TEST_CASE("int4 per channel has the definition's bits on every instruction set, at any width") {
  check_shapes(channel(WeightFormat::kInt4Channel), kAnyWidth);
}

TEST_CASE("int8 per channel has the definition's bits on every instruction set, at any width") {
  check_shapes(channel(WeightFormat::kInt8Channel), kAnyWidth);
}

TEST_CASE("no extreme of levels overflows an intermediate sum") {
  std::mt19937 engine(2);
  for (const MatmulOperation& operation : operations()) {
    for (Fill weights : kFills) {
      for (Fill inputs : kFills) {
        for (size_t tokens : {1, 5, 21})
          check_every_isa(operation, 18, 2112, tokens, weights, inputs, engine);
      }
    }
  }
}

TEST_CASE("any number of tokens, in one tile or in many, has the definition's bits") {
  std::mt19937 engine(7);
  for (const MatmulOperation& operation : operations()) {
    const size_t cols = operation.format == WeightFormat::kInt4Group32 ? 96 : 77;
    for (size_t tokens = 1; tokens <= 33; ++tokens) {
      check_every_isa(operation, 19, cols, tokens, Fill::kRandom, Fill::kRandom, engine);
    }
    check_every_isa(operation, 17, cols, 203, Fill::kRandom, Fill::kRandom, engine);
  }
}

TEST_CASE("one token has the definition's bits in any number of panels") {
  std::mt19937 engine(8);
  for (const MatmulOperation& operation : operations()) {
    for (size_t rows : kManyPanels) {
      check_every_isa(operation, rows, 160, 1, Fill::kRandom, Fill::kRandom, engine);
    }
    for (Fill weights : {Fill::kLowest, Fill::kHighest}) {
      for (Fill inputs : {Fill::kLowest, Fill::kHighest, Fill::kAlternating}) {
        check_every_isa(operation, 80, 544, 1, weights, inputs, engine);
      }
    }
    const Weights w(operation, 250, 96, Fill::kRandom, engine);
    const Inputs x(operation, 1, 96, Fill::kRandom, engine);
    check_every_part(operation, w.view, x, {{0, 64}, {16, 96}, {32, 176}, {48, 250}, {128, 250}});
  }
}

TEST_CASE("activations of 4-bit levels run through the same kernels") {
  std::mt19937 engine(3);
  const auto int8 = with_int4_activations(channel(WeightFormat::kInt8Channel));
  const auto int4 = with_int4_activations(channel(WeightFormat::kInt4Channel));
  for (Fill weights : kFills) {
    for (Fill inputs : kFills) {
      check_every_isa(int8, 17, 300, 19, weights, inputs, engine);
    }
  }
  for (size_t tokens : {1, 6, 21}) {
    check_every_isa(int8, 33, 544, tokens, Fill::kRandom, Fill::kRandom, engine);
    check_every_isa(int4, 33, 544, tokens, Fill::kRandom, Fill::kRandom, engine);
  }
}

TEST_CASE(
    "a row and a token have the same bits in any batch and any row range, and nothing else is written") {
  std::mt19937 engine(4);
  for (const MatmulOperation& operation : operations()) {
    const Weights w(operation, 83, 160, Fill::kRandom, engine);
    const Inputs x(operation, 21, 160, Fill::kRandom, engine);
    check_every_part(operation, w.view, x, {{0, 16}, {16, 64}, {48, 83}, {80, 83}, {32, 33}});
  }
}

TEST_CASE("the integer kernels compute what dequantized weights times dequantized activations give") {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal;
  const size_t rows = 48, cols = 1536, tokens = 3;
  std::vector<float> floats(tokens * cols);
  for (float& value : floats) value = normal(engine);
  for (const MatmulOperation& operation : operations()) {
    const size_t group = operation.format == WeightFormat::kInt4Group32 ? kGroup : cols;
    const Weights w(operation, rows, cols, Fill::kRandom, engine);
    std::vector<double> weights;
    for (size_t r = 0; r < rows; ++r) {
      std::vector<float> row(cols);
      dequantize_row(w.view, r, row.data());
      weights.insert(weights.end(), row.begin(), row.end());
    }
    for (Isa isa : supported_isas()) {
      CAPTURE(to_string(isa));
      const KernelTable& table = kernel_table(isa);
      std::vector<int8_t> q(tokens * cols);
      std::vector<float> scales(tokens * cols / group);
      std::vector<int32_t> sums(tokens * cols / group);
      table.quantize_activations(floats.data(), tokens, cols, group, 127, q.data(), scales.data(),
                                 sums.data());
      const Activations acts = {operation.activations, tokens,   cols,          group,
                                floats.data(),         q.data(), scales.data(), sums.data()};
      const auto found = product(operation, isa, w.view, acts);
      double error = 0, norm = 0;
      for (size_t t = 0; t < tokens; ++t) {
        for (size_t r = 0; r < rows; ++r) {
          double sum = 0;
          for (size_t c = 0; c < cols; ++c) {
            sum += weights[r * cols + c] * (scales[(t * cols + c) / group] * double{q[t * cols + c] * 1.0});
          }
          error += (found[t * rows + r] - sum) * (found[t * rows + r] - sum);
          norm += sum * sum;
        }
      }
      CHECK(std::sqrt(error / norm) < 1e-6);
    }
  }
}

TEST_CASE("a unit scale shows the integer sum itself") {
  // Sums below 2^24 are exact in float32, so they must equal the sums recomputed from the levels.
  std::mt19937 engine(6);
  const size_t rows = 20, cols = 416, tokens = 5;
  for (const MatmulOperation& operation : operations()) {
    Weights w(operation, rows, cols, Fill::kRandom, engine);
    Inputs x(operation, tokens, cols, Fill::kRandom, engine);
    std::fill(x.scales.begin(), x.scales.end(), 1.0f);
    std::fill(w.scales.begin(), w.scales.end(), 1.0f);
    w.pack();
    std::vector<float> expected(tokens * rows);
    for (size_t t = 0; t < tokens; ++t) {
      for (size_t r = 0; r < rows; ++r) {
        int32_t sum = 0;
        for (size_t c = 0; c < cols; ++c) sum += w.levels[r * cols + c] * x.q[t * cols + c];
        expected[t * rows + r] = static_cast<float>(sum);
      }
    }
    for (Isa isa : supported_isas()) {
      CAPTURE(to_string(isa));
      CHECK(product(operation, isa, w.view, x.acts) == expected);
    }
  }
}

}  // namespace
}  // namespace gemma::kernels
