// The integer matmuls of every instruction set against the portable definition, bit for bit; the definition
// itself against float64; and the promise that no result depends on the batch or row range it came in.
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/kernel_table.h"
#include "kernels/pack.h"
#include "kernels/quantize.h"

namespace gemma::kernels {
namespace {

enum class Fill { kRandom, kLowest, kHighest, kZero, kAlternating };
constexpr Fill kFills[] = {Fill::kRandom, Fill::kLowest, Fill::kHighest, Fill::kZero, Fill::kAlternating};

int level_of(Fill fill, int lowest, int highest, size_t i, std::mt19937& engine) {
  switch (fill) {
    case Fill::kLowest:
      return lowest;
    case Fill::kHighest:
      return highest;
    case Fill::kZero:
      return 0;
    case Fill::kAlternating:
      return i % 2 == 0 ? lowest : highest;
    default:
      return lowest + static_cast<int>(engine() % static_cast<unsigned>(highest - lowest + 1));
  }
}

std::vector<int8_t> levels_of(Fill fill, int lowest, int highest, size_t n, std::mt19937& engine) {
  std::vector<int8_t> levels(n);
  for (size_t i = 0; i < n; ++i) levels[i] = static_cast<int8_t>(level_of(fill, lowest, highest, i, engine));
  return levels;
}

std::vector<float> positive_floats(size_t n, std::mt19937& engine) {
  std::vector<float> values(n);
  for (float& value : values) value = 1e-4f * static_cast<float>(1 + engine() % 9999);
  return values;
}

// A packed matrix and the levels it was made of.
struct Matrix {
  std::vector<int8_t> levels;
  std::vector<uint16_t> halves;
  std::vector<float> scales;
  std::vector<std::byte> data;
  MatrixView view;

  Matrix(WeightFormat format, size_t rows, size_t cols, Fill fill, std::mt19937& engine) {
    const int bits = format == WeightFormat::kInt8Channel ? 8 : 4;
    levels = levels_of(fill, -(1 << (bits - 1)), (1 << (bits - 1)) - 1, rows * cols, engine);
    if (format == WeightFormat::kInt4Group32) {
      for (float scale : positive_floats(rows * cols / kGroup, engine)) {
        halves.push_back(to_f16(engine() % 2 == 0 ? scale : -scale));  // textbook Q4_0 has both signs
      }
    } else {
      scales = positive_floats((rows + kPanelRows - 1) / kPanelRows * kPanelRows, engine);
    }
    data.resize(packed_bytes(format, bits, rows, cols));
    pack_rows(format, bits, rows, cols, 0, rows, levels.data(), halves.data(), data.data());
    view = {format, static_cast<uint8_t>(bits), rows, cols, data.data(), scales.data(), 0};
  }
};

// Levels of activations with the sums that belong to them.
struct Inputs {
  std::vector<int8_t> q;
  std::vector<float> scales;
  std::vector<int32_t> sums;
  Activations acts;

  Inputs(size_t tokens, size_t cols, size_t group, int qmax, Fill fill, std::mt19937& engine) {
    q = levels_of(fill, -qmax, qmax, tokens * cols, engine);
    scales = positive_floats(tokens * cols / group, engine);
    for (size_t g = 0; g < tokens * cols / group; ++g) {
      int32_t sum = 0;
      for (size_t i = 0; i < group; ++i) sum += q[g * group + i];
      sums.push_back(sum);
    }
    const ActivationKind kind = group == kGroup && group != cols ? ActivationKind::kInt8Group
                                : qmax == 7                      ? ActivationKind::kInt4Token
                                                                 : ActivationKind::kInt8Token;
    acts = {kind, tokens, cols, group, nullptr, q.data(), scales.data(), sums.data()};
  }
};

using Matmul = void (*)(const MatrixView&, const Activations&, size_t, size_t, float*, size_t);

Matmul matmul_of(const KernelTable& table, WeightFormat format) {
  return format == WeightFormat::kInt4Group32   ? table.matmul_int4_group32
         : format == WeightFormat::kInt4Channel ? table.matmul_int4_channel
                                                : table.matmul_int8_channel;
}

std::vector<float> product(Matmul matmul, const MatrixView& w, const Activations& acts) {
  std::vector<float> out(acts.tokens * w.rows, NAN);
  matmul(w, acts, 0, w.rows, out.data(), w.rows);
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void check_every_isa(WeightFormat format, size_t rows, size_t cols, size_t tokens, Fill weights, Fill inputs,
                     int qmax, std::mt19937& engine) {
  CAPTURE(rows);
  CAPTURE(cols);
  CAPTURE(tokens);
  const Matrix w(format, rows, cols, weights, engine);
  const Inputs x(tokens, cols, format == WeightFormat::kInt4Group32 ? kGroup : cols, qmax, inputs, engine);
  const auto expected = product(matmul_of(kernel_table(Isa::kPortable), format), w.view, x.acts);
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    CHECK(same_bits(product(matmul_of(kernel_table(isa), format), w.view, x.acts), expected));
  }
}

void check_shapes(WeightFormat format, const std::vector<size_t>& widths) {
  std::mt19937 engine(1);
  const size_t heights[] = {1, 15, 16, 17, 40, 50};
  size_t height = 0;
  for (size_t cols : widths) {
    for (size_t tokens : {1, 2, 3, 4, 5, 7, 8, 12, 13, 33}) {
      const size_t rows = heights[height++ % 6];
      check_every_isa(format, rows, cols, tokens, Fill::kRandom, Fill::kRandom, 127, engine);
    }
  }
}

const std::vector<size_t> kWholeGroups = {32, 64, 96, 256, 1024, 2112};
const std::vector<size_t> kAnyWidth = {1, 3, 4, 31, 32, 33, 36, 63, 64, 70, 97, 511, 1024, 2112};

TEST_CASE("int4 in groups of 32 has the definition's bits on every instruction set") {
  check_shapes(WeightFormat::kInt4Group32, kWholeGroups);
}

TEST_CASE("int4 per channel has the definition's bits on every instruction set, at any width") {
  check_shapes(WeightFormat::kInt4Channel, kAnyWidth);
}

TEST_CASE("int8 per channel has the definition's bits on every instruction set, at any width") {
  check_shapes(WeightFormat::kInt8Channel, kAnyWidth);
}

TEST_CASE("no extreme of levels overflows an intermediate sum") {
  std::mt19937 engine(2);
  for (auto format : {WeightFormat::kInt4Group32, WeightFormat::kInt4Channel, WeightFormat::kInt8Channel}) {
    for (Fill weights : kFills) {
      for (Fill inputs : kFills) {
        for (size_t tokens : {1, 5, 21})
          check_every_isa(format, 18, 2112, tokens, weights, inputs, 127, engine);
      }
    }
  }
}

TEST_CASE("any number of tokens, in one tile or in many, has the definition's bits") {
  std::mt19937 engine(7);
  for (auto format : {WeightFormat::kInt4Group32, WeightFormat::kInt4Channel, WeightFormat::kInt8Channel}) {
    const size_t cols = format == WeightFormat::kInt4Group32 ? 96 : 77;
    for (size_t tokens = 1; tokens <= 33; ++tokens) {
      check_every_isa(format, 19, cols, tokens, Fill::kRandom, Fill::kRandom, 127, engine);
    }
    check_every_isa(format, 17, cols, 203, Fill::kRandom, Fill::kRandom, 127, engine);
  }
}

TEST_CASE("activations of 4-bit levels run through the same kernels") {
  std::mt19937 engine(3);
  for (Fill weights : kFills) {
    for (Fill inputs : kFills) {
      check_every_isa(WeightFormat::kInt8Channel, 17, 300, 19, weights, inputs, 7, engine);
    }
  }
  for (size_t tokens : {1, 6, 21}) {
    check_every_isa(WeightFormat::kInt8Channel, 33, 544, tokens, Fill::kRandom, Fill::kRandom, 7, engine);
    check_every_isa(WeightFormat::kInt4Channel, 33, 544, tokens, Fill::kRandom, Fill::kRandom, 7, engine);
  }
}

TEST_CASE(
    "a row and a token have the same bits in any batch and any row range, and nothing else is written") {
  std::mt19937 engine(4);
  const size_t rows = 83, cols = 160, tokens = 21;
  for (auto format : {WeightFormat::kInt4Group32, WeightFormat::kInt4Channel, WeightFormat::kInt8Channel}) {
    const size_t group = format == WeightFormat::kInt4Group32 ? kGroup : cols;
    const Matrix w(format, rows, cols, Fill::kRandom, engine);
    const Inputs x(tokens, cols, group, 127, Fill::kRandom, engine);
    for (Isa isa : supported_isas()) {
      CAPTURE(to_string(isa));
      const Matmul matmul = matmul_of(kernel_table(isa), format);
      const auto whole = product(matmul, w.view, x.acts);
      for (size_t n = 1; n <= tokens; ++n) {
        for (auto [row0, row1] : {std::pair<size_t, size_t>{0, 16}, {16, 64}, {48, 83}, {80, 83}, {32, 33}}) {
          const size_t stride = rows + 5, first = tokens - n;
          Activations part = x.acts;
          part.tokens = n;
          part.q += first * cols;
          part.scales += first * (cols / group);
          part.sums += first * (cols / group);
          std::vector<float> out(n * stride, -1.5f);
          std::vector<float> expected(n * stride, -1.5f);
          for (size_t t = 0; t < n; ++t) {
            for (size_t r = row0; r < row1; ++r) expected[t * stride + r] = whole[(first + t) * rows + r];
          }
          matmul(w.view, part, row0, row1, out.data(), stride);
          REQUIRE(same_bits(out, expected));
        }
      }
    }
  }
}

TEST_CASE("the integer kernels compute what dequantized weights times dequantized activations give") {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal;
  const size_t rows = 48, cols = 1536, tokens = 3;
  std::vector<float> floats(tokens * cols);
  for (float& value : floats) value = normal(engine);
  for (auto format : {WeightFormat::kInt4Group32, WeightFormat::kInt4Channel, WeightFormat::kInt8Channel}) {
    const size_t group = format == WeightFormat::kInt4Group32 ? kGroup : cols;
    const Matrix w(format, rows, cols, Fill::kRandom, engine);
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
      const Activations acts = {ActivationKind::kInt8Token,
                                tokens,
                                cols,
                                group,
                                floats.data(),
                                q.data(),
                                scales.data(),
                                sums.data()};
      const auto found = product(matmul_of(table, format), w.view, acts);
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
  for (auto format : {WeightFormat::kInt4Group32, WeightFormat::kInt4Channel, WeightFormat::kInt8Channel}) {
    Matrix w(format, rows, cols, Fill::kRandom, engine);
    Inputs x(tokens, cols, format == WeightFormat::kInt4Group32 ? kGroup : cols, 127, Fill::kRandom, engine);
    std::fill(x.scales.begin(), x.scales.end(), 1.0f);
    std::fill(w.scales.begin(), w.scales.end(), 1.0f);
    std::fill(w.halves.begin(), w.halves.end(), to_f16(1.0f));
    pack_rows(format, w.view.bits, rows, cols, 0, rows, w.levels.data(), w.halves.data(), w.data.data());
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
      CHECK(product(matmul_of(kernel_table(isa), format), w.view, x.acts) == expected);
    }
  }
}

}  // namespace
}  // namespace gemma::kernels
