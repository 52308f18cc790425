// int8 levels in groups of 16 and 32: every instruction set against the portable definition, bit for bit; the
// definition against the levels and scales it was packed from; and the layout's way there and back.
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/int8_group.h"
#include "kernels/kernel_table.h"
#include "kernels/pack.h"

namespace gemma::kernels {
namespace {

// Q8_0 and Q6_K: what the format is there for.
struct Kind {
  int bits;
  size_t group;
};
constexpr Kind kKinds[] = {{8, 32}, {6, 16}, {8, 16}, {6, 32}};

enum class Fill { kRandom, kLowest, kHighest, kAlternating };

int8_t level(Fill fill, int lowest, int highest, size_t i, std::mt19937& engine) {
  const int random = lowest + static_cast<int>(engine() % static_cast<unsigned>(highest - lowest + 1));
  const bool low = fill == Fill::kLowest || (fill == Fill::kAlternating && i % 2 == 0);
  return static_cast<int8_t>(fill == Fill::kRandom ? random : low ? lowest : highest);
}

struct Matrix {
  std::vector<int8_t> levels;
  std::vector<float> scales;
  std::vector<std::byte> data;
  MatrixView view;

  Matrix(Kind kind, size_t rows, size_t cols, Fill fill, std::mt19937& engine) {
    const int half = 1 << (kind.bits - 1);
    for (size_t i = 0; i < rows * cols; ++i) levels.push_back(level(fill, -half, half - 1, i, engine));
    for (size_t i = 0; i < rows * cols / kind.group; ++i) {
      scales.push_back(1e-4f * (static_cast<float>(engine() % 20000) - 10000.0f));  // Q6_K has both signs
    }
    data.resize(int8_group_matrix_bytes(rows, cols, kind.group), std::byte{0x5A});
    pack_int8_group_rows(cols, kind.group, 0, rows, levels.data(), scales.data(), data.data());
    view = {WeightFormat::kInt8Group,
            static_cast<uint8_t>(kind.bits),
            rows,
            cols,
            data.data(),
            nullptr,
            kind.group};
  }
};

struct Inputs {
  std::vector<int8_t> q;
  std::vector<float> scales;
  std::vector<int32_t> sums;
  Activations acts;

  Inputs(size_t tokens, size_t cols, Fill fill, std::mt19937& engine) {
    for (size_t i = 0; i < tokens * cols; ++i) q.push_back(level(fill, -127, 127, i, engine));
    for (size_t g = 0; g < tokens * cols / kGroup; ++g) {
      scales.push_back(1e-4f * static_cast<float>(1 + engine() % 9999));
      sums.push_back(0);
      for (size_t i = 0; i < kGroup; ++i) sums.back() += q[g * kGroup + i];
    }
    acts = {ActivationKind::kInt8Group, tokens, cols, kGroup, nullptr, q.data(), scales.data(), sums.data()};
  }
};

std::vector<float> product(Isa isa, const MatrixView& w, const Activations& acts) {
  std::vector<float> out(acts.tokens * w.rows, NAN);
  kernel_table(isa).matmul_int8_group(w, acts, 0, w.rows, out.data(), w.rows);
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void check_every_isa(Kind kind, size_t rows, size_t cols, size_t tokens, Fill weights, Fill inputs,
                     std::mt19937& engine) {
  CAPTURE(kind.bits);
  CAPTURE(kind.group);
  CAPTURE(rows);
  CAPTURE(cols);
  CAPTURE(tokens);
  const Matrix w(kind, rows, cols, weights, engine);
  const Inputs x(tokens, cols, inputs, engine);
  const auto expected = product(Isa::kPortable, w.view, x.acts);
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    CHECK(same_bits(product(isa, w.view, x.acts), expected));
  }
}

TEST_CASE("int8 in groups has the definition's bits on every instruction set") {
  std::mt19937 engine(1);
  const size_t heights[] = {1, 15, 16, 17, 40};
  size_t height = 0;
  for (Kind kind : kKinds) {
    for (size_t cols : {32, 64, 96, 256, 1056}) {
      for (size_t tokens : {1, 2, 3, 6, 8, 13, 18, 33}) {
        check_every_isa(kind, heights[height++ % 5], cols, tokens, Fill::kRandom, Fill::kRandom, engine);
      }
    }
  }
}

TEST_CASE("no extreme of int8 levels in groups overflows an intermediate sum") {
  std::mt19937 engine(2);
  constexpr Fill kFills[] = {Fill::kLowest, Fill::kHighest, Fill::kAlternating};
  for (Kind kind : kKinds) {
    for (Fill weights : kFills) {
      for (Fill inputs : kFills) {
        for (size_t tokens : {5, 23}) check_every_isa(kind, 18, 256, tokens, weights, inputs, engine);
      }
    }
  }
}

TEST_CASE("int8 in groups sums scale times scale times the levels' products, group after group") {
  std::mt19937 engine(3);
  const size_t rows = 19, cols = 256, tokens = 3;
  for (Kind kind : kKinds) {
    const Matrix w(kind, rows, cols, Fill::kRandom, engine);
    const Inputs x(tokens, cols, Fill::kRandom, engine);
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
    CHECK(same_bits(product(Isa::kPortable, w.view, x.acts), expected));
  }
}

TEST_CASE("int8 in groups: a row and a token have the same bits in any batch and any row range") {
  std::mt19937 engine(4);
  const size_t rows = 50, cols = 96, tokens = 20;  // few and many (kManyTokens)
  for (Kind kind : kKinds) {
    const Matrix w(kind, rows, cols, Fill::kRandom, engine);
    const Inputs x(tokens, cols, Fill::kRandom, engine);
    for (Isa isa : supported_isas()) {
      CAPTURE(to_string(isa));
      const auto whole = product(isa, w.view, x.acts);
      for (size_t n = 1; n <= tokens; ++n) {
        for (auto [row0, row1] : {std::pair<size_t, size_t>{0, 16}, {16, 48}, {48, 50}, {32, 33}}) {
          const size_t first = tokens - n;
          Activations part = x.acts;
          part.tokens = n;
          part.q += first * cols;
          part.scales += first * (cols / kGroup);
          part.sums += first * (cols / kGroup);
          std::vector<float> out(n * rows, -1.5f), expected(n * rows, -1.5f);
          for (size_t t = 0; t < n; ++t) {
            for (size_t r = row0; r < row1; ++r) expected[t * rows + r] = whole[(first + t) * rows + r];
          }
          kernel_table(isa).matmul_int8_group(w.view, part, row0, row1, out.data(), rows);
          REQUIRE(same_bits(out, expected));
        }
      }
    }
  }
}

TEST_CASE("int8 panels in groups give back the levels, scales and values that were packed") {
  std::mt19937 engine(5);
  const size_t rows = 21, cols = 64;
  for (Kind kind : kKinds) {
    const Matrix w(kind, rows, cols, Fill::kRandom, engine);
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
  const Matrix w({8, 32}, rows, cols, Fill::kRandom, engine);
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
