// int8 levels in groups of 16 and 32: every instruction set against the portable definition, bit for bit; the
// definition against the levels and scales it was packed from; and the layout's way there and back.
#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/kernels/matmul_operands.h"

namespace gemma::kernels {
namespace {

// Q8_0 and Q6_K, what the format is there for, and the two other pairs of bits and groups.
std::vector<MatmulOperation> operations() {
  std::vector<MatmulOperation> all;
  for (auto [bits, group] : {std::pair<int, size_t>{8, 32}, {6, 16}, {8, 16}, {6, 32}}) {
    all.push_back(operation_of(WeightFormat::kInt8Group, ActivationKind::kInt8Group));
    all.back().bits = bits;
    all.back().group = group;
  }
  return all;
}

TEST_CASE("int8 in groups has the definition's bits on every instruction set") {
  std::mt19937 engine(1);
  const size_t heights[] = {1, 15, 16, 17, 40};
  size_t height = 0;
  for (const MatmulOperation& kind : operations()) {
    for (size_t cols : {32, 64, 96, 256, 1056}) {
      for (size_t tokens : {1, 2, 3, 6, 8, 13, 18, 33}) {
        check_every_isa(kind, heights[height++ % 5], cols, tokens, Fill::kRandom, Fill::kRandom, engine);
      }
    }
  }
}

TEST_CASE("one token has the definition's bits in any number of panels of int8 groups") {
  std::mt19937 engine(8);
  for (const MatmulOperation& kind : operations()) {
    for (size_t rows : kManyPanels) {
      check_every_isa(kind, rows, 96, 1, Fill::kRandom, Fill::kRandom, engine);
    }
  }
}

TEST_CASE("no extreme of int8 levels in groups overflows an intermediate sum") {
  std::mt19937 engine(2);
  for (const MatmulOperation& kind : operations()) {
    for (Fill weights : {Fill::kLowest, Fill::kHighest, Fill::kAlternating}) {
      for (Fill inputs : {Fill::kLowest, Fill::kHighest, Fill::kAlternating}) {
        for (size_t tokens : {1, 5, 23}) check_every_isa(kind, 80, 256, tokens, weights, inputs, engine);
      }
    }
  }
}

TEST_CASE("int8 in groups sums scale times scale times the levels' products, group after group") {
  std::mt19937 engine(3);
  const size_t rows = 19, cols = 256, tokens = 3;
  for (const MatmulOperation& kind : operations()) {
    const Weights w(kind, rows, cols, Fill::kRandom, engine);
    const Inputs x(kind, tokens, cols, Fill::kRandom, engine);
    std::vector<float> expected;
    for (size_t t = 0; t < tokens; ++t) {
      for (size_t r = 0; r < rows; ++r) {
        float total = 0;
        for (size_t g = 0; g < cols / kind.group; ++g) {
          int32_t isum = 0;
          for (size_t c = g * kind.group; c < (g + 1) * kind.group; ++c) {
            isum += w.levels[r * cols + c] * x.q[t * cols + c];
          }
          total += static_cast<float>(isum) *
                   (w.scales[r * (cols / kind.group) + g] * x.scales[(t * cols + g * kind.group) / kGroup]);
        }
        expected.push_back(total);
      }
    }
    CHECK(same_bits(product(kind, Isa::kPortable, w.view, x.acts), expected));
  }
}

TEST_CASE("int8 in groups: a row and a token have the same bits in any batch and any row range") {
  std::mt19937 engine(4);
  const size_t rows = 50, cols = 96, tokens = 20;  // few and many (kManyTokens)
  for (const MatmulOperation& kind : operations()) {
    const Weights w(kind, rows, cols, Fill::kRandom, engine);
    const Inputs x(kind, tokens, cols, Fill::kRandom, engine);
    check_every_part(kind, w.view, x, {{0, 16}, {16, 48}, {48, 50}, {32, 33}});
  }
}

TEST_CASE("int8 panels in groups give back the levels, scales and values that were packed") {
  std::mt19937 engine(5);
  const size_t rows = 21, cols = 64;
  for (const MatmulOperation& kind : operations()) {
    const Weights w(kind, rows, cols, Fill::kRandom, engine);
    for (size_t r = 0; r < rows; ++r) {
      std::vector<int8_t> levels(cols);
      std::vector<float> values(cols);
      unpack_levels(w.view, r, levels.data());
      dequantize_row(w.view, r, values.data());
      for (size_t c = 0; c < cols; ++c) {
        const float scale = w.scales[(r * cols + c) / kind.group];
        REQUIRE(levels[c] == w.levels[r * cols + c]);
        REQUIRE(weight_scale(w.view, r, c) == scale);
        REQUIRE(values[c] == scale * static_cast<float>(levels[c]));
      }
    }
  }
}

TEST_CASE("rows of int8 panels in groups may be packed in any order, and padding is zero") {
  std::mt19937 engine(6);
  const size_t rows = 40, cols = 32;
  const Weights w(operations().front(), rows, cols, Fill::kRandom, engine);
  std::vector<std::byte> data(w.data.size(), std::byte{0xEE});
  for (size_t row0 : {32, 0, 16}) {
    pack_int8_group_rows(cols, 32, row0, std::min<size_t>(16, rows - row0), w.levels.data() + row0 * cols,
                         w.scales.data() + row0, data.data());
  }
  CHECK(data == w.data);
  MatrixView padding = w.view;
  padding.rows = 48;
  for (size_t r = rows; r < 48; ++r) {
    CHECK(int8_group_level(padding, r, 5) == 0);
    CHECK(int8_group_scale(padding, r, 5) == 0.0f);
  }
}

}  // namespace
}  // namespace gemma::kernels
