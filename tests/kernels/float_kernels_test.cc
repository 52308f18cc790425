// Every float kernel on every instruction set of this CPU against a float64 computation of its formula, and
// the promise that a sum does not depend on the batch it was computed in.
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/kernel_table.h"
#include "kernels/quantize.h"

namespace gemma::kernels {
namespace {

const size_t kSizes[] = {1, 7, 8, 15, 16, 31, 32, 96, 100, 512, 515, 1536, 2112};

std::vector<float> random_floats(size_t n, unsigned seed, float scale = 1.0f) {
  std::mt19937 engine(seed);
  std::vector<float> values(n);
  for (float& value : values) value = scale * (static_cast<float>(engine() % 20001) - 10000.0f) / 5000.0f;
  return values;
}

void check_close(const std::vector<float>& found, const std::vector<double>& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  double error = 0, norm = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    error += (found[i] - expected[i]) * (found[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  CHECK(std::sqrt(error) <= tolerance * std::sqrt(norm) + 1e-30);
}

template <typename Test>
void on_every_isa(const Test& test) {
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    test(kernel_table(isa));
  }
}

TEST_CASE("matmul of float, bfloat16 and float16 weights equals the float64 sum") {
  on_every_isa([](const KernelTable& k) {
    for (size_t cols : kSizes) {
      const size_t rows = 21, tokens = 5;
      const std::vector<float> raw = random_floats(rows * cols, 1), x = random_floats(tokens * cols, 2);
      for (WeightFormat format : {WeightFormat::kF32, WeightFormat::kBf16, WeightFormat::kF16}) {
        std::vector<uint16_t> halves(rows * cols);
        std::vector<float> w = raw;
        if (format == WeightFormat::kBf16) {
          k.float_to_bf16(raw.data(), halves.data(), raw.size());
          k.bf16_to_float(halves.data(), w.data(), w.size());
        } else if (format == WeightFormat::kF16) {
          k.float_to_f16(raw.data(), halves.data(), raw.size());
          k.f16_to_float(halves.data(), w.data(), w.size());
        }
        MatrixView view;
        view.format = format;
        view.rows = rows;
        view.cols = cols;
        view.data = format == WeightFormat::kF32 ? reinterpret_cast<const std::byte*>(w.data())
                                                 : reinterpret_cast<const std::byte*>(halves.data());
        Activations acts;
        acts.tokens = tokens;
        acts.cols = cols;
        acts.x = x.data();
        std::vector<float> out(tokens * rows);
        k.matmul_float(view, acts, 0, rows, out.data(), rows);
        std::vector<double> expected(tokens * rows);
        for (size_t t = 0; t < tokens; ++t) {
          for (size_t r = 0; r < rows; ++r) {
            for (size_t c = 0; c < cols; ++c) {
              expected[t * rows + r] += static_cast<double>(w[r * cols + c]) * x[t * cols + c];
            }
          }
        }
        check_close(out, expected, 1e-6);
      }
    }
  });
}

TEST_CASE("a matmul gives the same bits for any number of tokens and any cut of the rows") {
  on_every_isa([](const KernelTable& k) {
    const size_t rows = 37, cols = 1100, tokens = 8;
    const std::vector<float> w = random_floats(rows * cols, 3), x = random_floats(tokens * cols, 4);
    MatrixView view;
    view.rows = rows;
    view.cols = cols;
    view.data = reinterpret_cast<const std::byte*>(w.data());
    Activations acts;
    acts.tokens = tokens;
    acts.cols = cols;
    acts.x = x.data();
    std::vector<float> whole(tokens * rows), parts(tokens * rows);
    k.matmul_float(view, acts, 0, rows, whole.data(), rows);
    for (size_t t = 0; t < tokens; ++t) {
      Activations one = acts;
      one.tokens = 1;
      one.x = x.data() + t * cols;
      for (size_t r = 0; r < rows; r += 5) {
        k.matmul_float(view, one, r, std::min(rows, r + 5), parts.data() + t * rows, rows);
      }
    }
    CHECK(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)) == 0);
  });
}

TEST_CASE("rms_norm divides by the root mean square, with and without weight, also in place") {
  on_every_isa([](const KernelTable& k) {
    for (size_t n : kSizes) {
      const std::vector<float> x = random_floats(n, 5), w = random_floats(n, 6);
      double square = 0;
      for (float value : x) square += static_cast<double>(value) * value;
      const double factor = 1.0 / std::sqrt(square / static_cast<double>(n) + 1e-6);
      std::vector<double> weighted(n), plain(n);
      for (size_t i = 0; i < n; ++i) {
        plain[i] = x[i] * factor;
        weighted[i] = plain[i] * w[i];
      }
      std::vector<float> y(n), in_place = x;
      k.rms_norm(x.data(), w.data(), 1e-6f, n, y.data());
      check_close(y, weighted, 1e-6);
      k.rms_norm(in_place.data(), nullptr, 1e-6f, n, in_place.data());
      check_close(in_place, plain, 1e-6);
    }
  });
}

TEST_CASE("gelu_mul is the tanh form of GELU times the other branch") {
  on_every_isa([](const KernelTable& k) {
    for (size_t n : kSizes) {
      std::vector<float> gate = random_floats(n, 7, 4.0f);
      const std::vector<float> up = random_floats(n, 8);
      std::vector<double> expected(n);
      for (size_t i = 0; i < n; ++i) {
        const double v = gate[i];
        expected[i] = 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v))) * up[i];
      }
      const std::vector<float> z = gate;
      k.gelu_mul(gate.data(), up.data(), n);
      // 1 + tanh cancels far left of zero: the error is small against z, not against the vanishing result.
      for (size_t i = 0; i < n; ++i)
        CHECK(std::fabs(gate[i] - expected[i]) <= 1e-6 * std::fabs(z[i] * up[i]));
    }
  });
}

TEST_CASE("softcap, add and scale") {
  on_every_isa([](const KernelTable& k) {
    for (size_t n : kSizes) {
      const std::vector<float> x = random_floats(n, 9, 40.0f), y = random_floats(n, 10);
      std::vector<double> capped(n), added(n), scaled(n);
      for (size_t i = 0; i < n; ++i) {
        capped[i] = 30 * std::tanh(x[i] / 30.0);
        added[i] = static_cast<double>(x[i]) + y[i];
        scaled[i] = x[i] * 0.25;
      }
      std::vector<float> a = x, b = x, c = x;
      k.softcap(a.data(), 30.0f, n);
      k.add(b.data(), y.data(), n);
      k.scale(c.data(), 0.25f, n);
      check_close(a, capped, 1e-6);
      check_close(b, added, 1e-6);
      check_close(c, scaled, 0);
    }
  });
}

TEST_CASE("rope turns pairs (i, i + n/2)") {
  on_every_isa([](const KernelTable& k) {
    for (size_t n : {2, 16, 64, 256, 512, 30}) {
      std::vector<float> x = random_floats(n, 11), cos(n / 2), sin(n / 2);
      std::vector<double> expected(n);
      for (size_t i = 0; i < n / 2; ++i) {
        cos[i] = std::cos(static_cast<float>(i));
        sin[i] = std::sin(static_cast<float>(i));
        expected[i] = static_cast<double>(x[i]) * cos[i] - static_cast<double>(x[i + n / 2]) * sin[i];
        expected[i + n / 2] = static_cast<double>(x[i + n / 2]) * cos[i] + static_cast<double>(x[i]) * sin[i];
      }
      k.rope(x.data(), cos.data(), sin.data(), n);
      check_close(x, expected, 1e-6);
    }
  });
}

TEST_CASE("conversions to bfloat16 and float16 equal the scalar definition for every pattern of high bits") {
  std::vector<float> values;
  for (uint32_t high = 0; high < 0x10000; ++high) {
    for (uint32_t low : {0x0000u, 0x7fffu, 0x8000u, 0x8001u, 0x1000u, 0x3000u}) {
      const uint32_t bits = high << 16 | low;
      float value;
      std::memcpy(&value, &bits, sizeof(value));
      if (!std::isnan(value)) values.push_back(value);
    }
  }
  on_every_isa([&](const KernelTable& k) {
    std::vector<uint16_t> bf16(values.size()), f16(values.size());
    k.float_to_bf16(values.data(), bf16.data(), values.size());
    k.float_to_f16(values.data(), f16.data(), values.size());
    size_t differences = 0;
    for (size_t i = 0; i < values.size(); ++i)
      differences += bf16[i] != to_bf16(values[i]) || f16[i] != to_f16(values[i]);
    CHECK(differences == 0);
    std::vector<float> back(values.size());
    k.bf16_to_float(bf16.data(), back.data(), back.size());
    for (size_t i = 0; i < values.size(); ++i) differences += back[i] != from_bf16(bf16[i]);
    k.f16_to_float(f16.data(), back.data(), back.size());
    for (size_t i = 0; i < values.size(); ++i) differences += back[i] != from_f16(f16[i]);
    CHECK(differences == 0);
  });
}

}  // namespace
}  // namespace gemma::kernels
