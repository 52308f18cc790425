// Both sides of a product of whole numbers, of any operation of the registry, and the comparison that every
// matmul test makes: all instruction sets against the portable definition, bit for bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/int8_group.h"
#include "kernels/kernel_registry.h"
#include "kernels/pack.h"
#include "kernels/quantize.h"
#include "kernels/static_scales.h"

namespace gemma::kernels {

// The registry's first operation on that format and those activations, to be used as it is or changed.
inline MatmulOperation operation_of(WeightFormat format, ActivationKind activations) {
  const auto all = matmul_operations();
  const auto found = std::ranges::find_if(all, [&](const MatmulOperation& operation) {
    return operation.format == format && operation.activations == activations;
  });
  REQUIRE((found != all.end()));
  return *found;
}

// --- levels and scales ---

enum class Fill { kRandom, kLowest, kHighest, kZero, kAlternating };
inline constexpr Fill kFills[] = {Fill::kRandom, Fill::kLowest, Fill::kHighest, Fill::kZero,
                                  Fill::kAlternating};

inline std::vector<int8_t> levels_of(Fill fill, int lowest, int highest, size_t n, std::mt19937& engine) {
  std::vector<int8_t> levels(n);
  for (size_t i = 0; i < n; ++i) {
    int level = lowest + static_cast<int>(engine() % static_cast<unsigned>(highest - lowest + 1));
    if (fill == Fill::kLowest || (fill == Fill::kAlternating && i % 2 == 0)) level = lowest;
    if (fill == Fill::kHighest || (fill == Fill::kAlternating && i % 2 == 1)) level = highest;
    if (fill == Fill::kZero) level = 0;
    levels[i] = static_cast<int8_t>(level);
  }
  return levels;
}

// Numbers from 0.0001 to 0.9999.
inline std::vector<float> positive_floats(size_t n, std::mt19937& engine) {
  std::vector<float> values(n);
  for (float& value : values) value = 1e-4f * static_cast<float>(1 + engine() % 9999);
  return values;
}

// Numbers from -1 to 0.9999, 0 among them: textbook Q4_0 and Q6_K have scales of both signs.
inline std::vector<float> signed_floats(size_t n, std::mt19937& engine) {
  std::vector<float> values(n);
  for (float& value : values) value = 1e-4f * (static_cast<float>(engine() % 20000) - 10000.0f);
  return values;
}

// --- the two sides ---

// A packed matrix and what it was made of.
struct Weights {
  std::vector<int8_t> levels;    // (rows, cols)
  std::vector<float> scales;     // (rows, groups); formats per channel: (padded rows)
  std::vector<uint16_t> halves;  // kInt4Group32: the scales as they are stored
  std::vector<float> factors;    // static scales only: (padded rows)
  std::vector<std::byte> data;
  MatrixView view;

  Weights(const MatmulOperation& operation, size_t rows, size_t cols, Fill fill, std::mt19937& engine) {
    const size_t padded = (rows + kPanelRows - 1) / kPanelRows * kPanelRows;
    const int half = 1 << (operation.bits - 1);
    levels = levels_of(fill, -half, half - 1, rows * cols, engine);
    view = {operation.format, static_cast<uint8_t>(operation.bits), rows, cols, nullptr, nullptr,
            operation.group};
    if (operation.activations == ActivationKind::kInt8Group) {
      scales = signed_floats(rows * cols / (operation.group == 0 ? kGroup : operation.group), engine);
    } else {
      scales = positive_floats(padded, engine);
      view.scales = scales.data();
    }
    pack();
    if (operation.activations == ActivationKind::kInt8Static) {
      factors = positive_floats(padded, engine);
      view.statics = {factors.data(), 0.25f};
    }
  }
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  // Packs levels and scales; again if they were changed.
  void pack() {
    if (view.format == WeightFormat::kInt8Group) {
      data.assign(int8_group_matrix_bytes(view.rows, view.cols, view.group), std::byte{0x5A});
      pack_int8_group_rows(view.cols, view.group, 0, view.rows, levels.data(), scales.data(), data.data());
    } else {
      halves.clear();
      if (view.format == WeightFormat::kInt4Group32) {
        for (float scale : scales) halves.push_back(to_f16(scale));
      }
      data.resize(packed_bytes(view.format, view.bits, view.rows, view.cols));
      pack_rows(view.format, view.bits, view.rows, view.cols, 0, view.rows, levels.data(),
                halves.empty() ? nullptr : halves.data(), data.data());
    }
    view.data = data.data();
  }
};

// Levels of activations with what belongs to them.
struct Inputs {
  std::vector<int8_t> q;      // (tokens, cols)
  std::vector<float> scales;  // (tokens, groups); none between static scales
  std::vector<int32_t> sums;
  Activations acts;

  Inputs(const MatmulOperation& operation, size_t tokens, size_t cols, Fill fill, std::mt19937& engine) {
    const bool is_static = operation.activations == ActivationKind::kInt8Static;
    const int highest = operation.activation_levels;
    const size_t group = operation.activations == ActivationKind::kInt8Group ? kGroup : cols;
    q = levels_of(fill, is_static ? -128 : -highest, highest, tokens * cols, engine);
    acts.kind = operation.activations;
    acts.tokens = tokens;
    acts.cols = cols;
    acts.group = group;
    if (!is_static) scales = positive_floats(tokens * cols / group, engine);
    for (size_t g = 0; g < tokens * cols / group; ++g) {
      sums.push_back(0);
      for (size_t i = 0; i < group; ++i) sums.back() += q[g * group + i];
    }
    acts.q = q.data();
    if (!is_static) acts.scales = scales.data();
    acts.sums = sums.data();
  }
  Inputs(const Inputs&) = delete;
  Inputs& operator=(const Inputs&) = delete;

  // The last n tokens.
  Activations last(size_t n) const {
    const size_t first = acts.tokens - n, groups = acts.cols / acts.group;
    Activations part = acts;
    part.tokens = n;
    part.q += first * acts.cols;
    if (part.scales != nullptr) part.scales += first * groups;
    part.sums += first * groups;
    return part;
  }
};

// --- products ---

inline std::vector<float> product(const MatmulOperation& operation, Isa isa, const MatrixView& w,
                                  const Activations& acts) {
  std::vector<float> out(acts.tokens * w.rows, NAN);
  (kernel_table(isa).*operation.entry)(w, acts, 0, w.rows, out.data(), w.rows);
  return out;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline void check_every_isa(const MatmulOperation& operation, const MatrixView& w, const Activations& acts) {
  CAPTURE(operation.name);
  CAPTURE(operation.bits);
  CAPTURE(operation.group);
  CAPTURE(w.rows);
  CAPTURE(w.cols);
  CAPTURE(acts.tokens);
  const auto expected = product(operation, Isa::kPortable, w, acts);
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    CHECK(same_bits(product(operation, isa, w, acts), expected));
  }
}

inline void check_every_isa(const MatmulOperation& operation, size_t rows, size_t cols, size_t tokens,
                            Fill weights, Fill inputs, std::mt19937& engine) {
  const Weights w(operation, rows, cols, weights, engine);
  const Inputs x(operation, tokens, cols, inputs, engine);
  check_every_isa(operation, w.view, x.acts);
}

// Panels that one token may read in side by side streams: a multiple of four, others, a part of one, and so many
// that a stream's results and scales are gathered in more than one turn of 16 panels.
inline constexpr size_t kManyPanels[] = {64, 96, 111, 128, 145, 250, 1135};

// A row and a token have the same bits in any batch and any range of rows, and nothing else is written.
inline void check_every_part(const MatmulOperation& operation, const MatrixView& w, const Inputs& x,
                             const std::vector<std::pair<size_t, size_t>>& row_ranges) {
  CAPTURE(operation.name);
  CAPTURE(operation.bits);
  CAPTURE(operation.group);
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    const auto whole = product(operation, isa, w, x.acts);
    for (size_t n = 1; n <= x.acts.tokens; ++n) {
      for (auto [row0, row1] : row_ranges) {
        const size_t stride = w.rows + 5, first = x.acts.tokens - n;
        std::vector<float> out(n * stride, -1.5f), expected(n * stride, -1.5f);
        for (size_t t = 0; t < n; ++t) {
          for (size_t r = row0; r < row1; ++r) expected[t * stride + r] = whole[(first + t) * w.rows + r];
        }
        (kernel_table(isa).*operation.entry)(w, x.last(n), row0, row1, out.data(), stride);
        REQUIRE(same_bits(out, expected));
      }
    }
  }
}

}  // namespace gemma::kernels
