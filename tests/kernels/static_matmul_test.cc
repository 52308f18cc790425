// Matmuls between static scales (the mobile format): every instruction set against the portable definition,
// bit for bit; the definition against integers and float64 written out here; and what the clamps are for.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "tests/kernels/matmul_operands.h"

namespace gemma::kernels {
namespace {

// Of 2, 4 and 8 bits.
std::vector<MatmulOperation> operations() {
  return {operation_of(WeightFormat::kInt2Channel, ActivationKind::kInt8Static),
          operation_of(WeightFormat::kInt4Channel, ActivationKind::kInt8Static),
          operation_of(WeightFormat::kInt8Channel, ActivationKind::kInt8Static)};
}

// Weights with input scale 0.03 and row scales near 0.01. The output scale puts about one output in twenty
// beyond its levels: clamps have work to do.
struct StaticWeights : Weights {
  static constexpr float kInputScale = 0.03f;

  StaticWeights(const MatmulOperation& operation, size_t rows, size_t cols, Fill fill, bool quantized_output,
                std::mt19937& engine)
      : Weights(operation, rows, cols, fill, engine) {
    const float deviation =
        74.0f * static_cast<float>(1 << operation.bits) * 0.29f * std::sqrt(static_cast<float>(cols));
    view.statics.output = quantized_output ? kInputScale * 0.01f * deviation / 64 : 0;
    for (size_t r = 0; r < rows; ++r) {
      scales[r] = 0.01f * (0.5f + static_cast<float>(engine() % 1000) * 1e-3f);
      factors[r] = output_factor(kInputScale, scales[r], view.statics.output);
    }
  }
};

int64_t integer_sum(const Weights& w, const Inputs& x, size_t row, size_t token) {
  int64_t sum = 0;
  for (size_t c = 0; c < w.view.cols; ++c) {
    sum += int64_t{w.levels[row * w.view.cols + c]} * x.q[token * w.view.cols + c];
  }
  return sum;
}

void check_every_isa(const MatmulOperation& operation, size_t rows, size_t cols, size_t tokens, Fill weights,
                     Fill inputs, bool quantized_output, std::mt19937& engine) {
  const StaticWeights w(operation, rows, cols, weights, quantized_output, engine);
  const Inputs x(operation, tokens, cols, inputs, engine);
  CAPTURE(quantized_output);
  check_every_isa(operation, w.view, x.acts);
}

TEST_CASE("every instruction set has the definition's bits at any width, height and number of tokens") {
  std::mt19937 engine(1);
  const size_t heights[] = {1, 15, 16, 17, 40, 50};
  size_t height = 0;
  for (const MatmulOperation& operation : operations()) {
    for (size_t cols : {1, 3, 4, 15, 16, 17, 31, 32, 33, 63, 64, 70, 127, 128, 129, 300, 511, 1024, 2112}) {
      for (size_t tokens : {1, 2, 3, 5, 6, 8, 13, 33}) {
        check_every_isa(operation, heights[height++ % 6], cols, tokens, Fill::kRandom, Fill::kRandom,
                        tokens % 2 == 0, engine);
      }
    }
  }
}

TEST_CASE("one token has the definition's bits in any number of panels") {
  std::mt19937 engine(8);
  for (const MatmulOperation& operation : operations()) {
    for (size_t rows : kManyPanels) {
      for (size_t cols : {77, 160}) {
        check_every_isa(operation, rows, cols, 1, Fill::kRandom, Fill::kRandom, cols == 77, engine);
      }
    }
    for (Fill weights : {Fill::kLowest, Fill::kHighest}) {
      for (Fill inputs : {Fill::kLowest, Fill::kHighest, Fill::kAlternating}) {
        check_every_isa(operation, 80, 555, 1, weights, inputs, false, engine);
      }
    }
  }
}

TEST_CASE("any number of tokens, in one tile or in many, has the definition's bits") {
  std::mt19937 engine(7);
  for (const MatmulOperation& operation : operations()) {
    for (size_t tokens = 1; tokens <= 33; ++tokens) {
      check_every_isa(operation, 19, 77, tokens, Fill::kRandom, Fill::kRandom, true, engine);
    }
    check_every_isa(operation, 17, 77, 203, Fill::kRandom, Fill::kRandom, true, engine);
  }
}

TEST_CASE("no extreme of levels overflows an intermediate sum") {
  std::mt19937 engine(2);
  for (const MatmulOperation& operation : operations()) {
    for (Fill weights : kFills) {
      for (Fill inputs : kFills) {
        for (size_t tokens : {1, 7, 21})
          check_every_isa(operation, 18, 2112, tokens, weights, inputs, false, engine);
      }
    }
  }
}

TEST_CASE("with a factor of one the integer sum itself comes out") {
  // Sums below 2^24 are exact in float32; larger ones are rounded once.
  std::mt19937 engine(3);
  const size_t rows = 20, cols = 416, tokens = 5;
  for (const MatmulOperation& operation : operations()) {
    for (Fill fill : {Fill::kRandom, Fill::kLowest}) {
      StaticWeights w(operation, rows, cols, fill, false, engine);
      const Inputs x(operation, tokens, cols, fill, engine);
      std::fill(w.factors.begin(), w.factors.end(), 1.0f);
      std::vector<float> expected(tokens * rows);
      for (size_t i = 0; i < expected.size(); ++i) {
        expected[i] = static_cast<float>(integer_sum(w, x, i % rows, i / rows));
      }
      for (Isa isa : supported_isas()) {
        CAPTURE(to_string(isa));
        CHECK(product(operation, isa, w.view, x.acts) == expected);
      }
    }
  }
}

TEST_CASE("outputs are those of float64, or one level off within 1e-4 of a tie, and clamped") {
  std::mt19937 engine(4);
  const size_t rows = 96, cols = 700, tokens = 9;
  for (const MatmulOperation& operation : operations()) {
    const StaticWeights w(operation, rows, cols, Fill::kRandom, true, engine);
    const Inputs x(operation, tokens, cols, Fill::kRandom, engine);
    const double output = w.view.statics.output;
    for (Isa isa : supported_isas()) {
      CAPTURE(to_string(isa));
      const auto found = product(operation, isa, w.view, x.acts);
      size_t clamped_low = 0, clamped_high = 0;
      for (size_t i = 0; i < found.size(); ++i) {
        const double exact = static_cast<double>(integer_sum(w, x, i % rows, i / rows)) *
                             static_cast<double>(w.kInputScale) * static_cast<double>(w.scales[i % rows]) /
                             output;
        const double level = std::clamp(std::nearbyint(exact), -128.0, 127.0);
        const double found_level = std::nearbyint(static_cast<double>(found[i]) / output);
        REQUIRE(found[i] == static_cast<float>(found_level) * w.view.statics.output);
        if (found_level != level) {
          REQUIRE(std::fabs(found_level - level) == 1);
          REQUIRE(std::fabs(std::fabs(exact - std::trunc(exact)) - 0.5) < 1e-4);
        }
        clamped_low += exact < -128.5;
        clamped_high += exact > 127.5;
      }
      // The data reach beyond the levels on both sides, so dropping a clamp cannot go unseen.
      CHECK(clamped_low > 0);
      CHECK(clamped_high > 0);
    }
  }
}

TEST_CASE("activations round half to even after a division, are clamped on both sides, and NaN is level 0") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {0,    0.25f, 0.75f,   -0.25f, -0.75f, 63.5f, 63.75f, 64,   1e30f,
                                kInf, -64,   -64.25f, -64.5f, -1e30f, -kInf, NAN,    1.2f, -0.0f};
  const std::vector<int> levels = {0,   0,    2,    0,    -2,   127,  127, 127, 127,
                                   127, -128, -128, -128, -128, -128, 0,   2,   0};
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    for (size_t n = 1; n <= x.size(); ++n) {
      std::vector<int8_t> q(x.size() + 1, 7);
      const int32_t sum = kernel_table(isa).quantize_static(x.data(), n, 0.5f, q.data());
      for (size_t i = 0; i < n; ++i) REQUIRE(q[i] == levels[i]);
      REQUIRE(q[n] == 7);
      REQUIRE(sum == std::accumulate(levels.begin(), levels.begin() + static_cast<ptrdiff_t>(n), 0));
    }
  }
}

TEST_CASE("activation levels and their sum are the definition's on every instruction set, for any scale") {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal;
  std::vector<float> x(4099);
  for (float scale : {1e-40f, 0.0078125f, 0.013f, 1.0f / 3, 1e20f}) {
    for (float& value : x) value = normal(engine) * 90 * scale;
    std::vector<int8_t> expected(x.size()), found(x.size());
    const int32_t sum =
        kernel_table(Isa::kPortable).quantize_static(x.data(), x.size(), scale, expected.data());
    for (Isa isa : supported_isas()) {
      CAPTURE(to_string(isa));
      CHECK(kernel_table(isa).quantize_static(x.data(), x.size(), scale, found.data()) == sum);
      CHECK(found == expected);
    }
  }
}

TEST_CASE("a row and a token have the same bits in any batch and row range, and nothing else is written") {
  std::mt19937 engine(6);
  for (const MatmulOperation& operation : operations()) {
    const StaticWeights w(operation, 83, 150, Fill::kRandom, true, engine);
    const Inputs x(operation, 21, 150, Fill::kRandom, engine);
    check_every_part(operation, w.view, x, {{0, 16}, {16, 64}, {48, 83}, {32, 33}});
  }
}

}  // namespace
}  // namespace gemma::kernels
