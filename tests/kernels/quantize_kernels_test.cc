// Weight quantization of many groups at a time: every instruction set gives the bits of the definitions, and
// levels trained on a grid come back.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/kernel_table.h"
#include "kernels/quantize.h"

namespace gemma::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float bf16(float x) {
  return from_bf16(to_bf16(x));
}

struct Group {
  int8_t levels[32] = {};
  uint16_t scale = 0xdead;
};

// 32 random bits of a counter.
uint32_t mixed(uint32_t x) {
  x = (x ^ x >> 16) * 0x21f0aaadu;
  x = (x ^ x >> 15) * 0xd35a2d97u;
  return x ^ x >> 15;
}

float float_from(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

uint32_t bits_from(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

// Groups of a trained grid by their number: peaks -8..7 in turn, steps 2^-13 to 2^-1 with any of the 2^23
// mantissas, every fourth group mostly zeros, every 1024th nothing else.
struct GridGroups {
  static constexpr size_t kGroups = 4096;
  std::vector<float> w = std::vector<float>(kGroups * 32);
  std::vector<int8_t> levels = std::vector<int8_t>(kGroups * 32);
  std::vector<float> steps = std::vector<float>(kGroups);

  void fill(uint32_t first) {
    for (uint32_t g = 0; g < kGroups; ++g) {
      const uint32_t number = first + g, drawn = mixed(number * 3 + 1);
      const int peak = static_cast<int>(number % 15) - (number % 15 < 8 ? 8 : 7);
      const int largest = std::abs(peak);
      const int zeros = drawn >> 30 == 0 ? 0xc000 : 0;  // of 2^16
      const float step = float_from((114 + mixed(number * 3 + 2) % 12) << 23 | (drawn & 0x7fffffu));
      int8_t* group = levels.data() + g * 32;
      float* values = w.data() + g * 32;
      for (uint32_t i = 0; i < 16; ++i) {  // each 32 bits make two levels
        const uint32_t two = mixed(number * 16 + i);
        for (uint32_t half = 0; half < 2; ++half) {
          const int bits = static_cast<int>(two >> half * 16 & 0xffff);
          const int level = std::min((bits * (2 * largest + 1) >> 16) - largest, 7);
          group[2 * i + half] = static_cast<int8_t>((bits & 0x7fff) * 2 < zeros ? 0 : level);
        }
      }
      group[drawn >> 23 & 31] = static_cast<int8_t>(peak);
      if (number % 1024 == 0) std::fill(group, group + 32, int8_t{0});
      for (size_t i = 0; i < 32; ++i) {
        const uint32_t bits = bits_from(step * static_cast<float>(group[i]));
        values[i] = float_from((bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u);
      }
      steps[g] = step;
    }
  }
};

// The greatest common divisor of the levels of a group, 0 for none but zeros.
int divisor_of(const int8_t* levels) {
  unsigned seen = 0;
  for (size_t i = 0; i < 32; ++i) seen |= 1u << std::abs(levels[i]);
  int divisor = 0;
  for (int magnitude = 1; magnitude <= 8; ++magnitude) {
    if ((seen >> magnitude & 1u) != 0) divisor = std::gcd(divisor, magnitude);
  }
  return divisor;
}

// Counts what is wrong rather than checking each weight: 10^8 checks would take longer than the work.
struct Wrong {
  size_t weights = 0, steps = 0, whole = 0;
};

void compare(const GridGroups& truth, const std::vector<int8_t>& levels, const std::vector<uint16_t>& scales,
             Wrong& wrong) {
  for (size_t g = 0; g < GridGroups::kGroups; ++g) {
    const int divisor = divisor_of(truth.levels.data() + g * 32);  // 0: all are
    wrong.whole += divisor == 1;
    unsigned differ = 0;
    for (size_t i = g * 32; i < (g + 1) * 32; ++i) {
      differ += divisor == 0 ? levels[i] != 0 : levels[i] * divisor != truth.levels[i];
    }
    wrong.weights += differ;
    const float expected = truth.steps[g] * static_cast<float>(divisor), found = from_f16(scales[g]);
    wrong.steps += std::fabs(found - expected) > expected * 0x1p-7f;
  }
}

#if defined(__SANITIZE_ADDRESS__) || !defined(__x86_64__)
constexpr size_t kPropertyWeights = 4'000'000;  // instrumented or emulated
#else
constexpr size_t kPropertyWeights = 100'000'000;
#endif

TEST_CASE("all levels of 10^8 weights on trained grids come back, and all zeros as level 0") {
  const KernelTable& kernels = kernel_table(supported_isas().front());
  GridGroups truth;
  std::vector<int8_t> levels(truth.levels.size());
  std::vector<uint16_t> scales(GridGroups::kGroups);
  Wrong wrong;
  size_t off_grid = 0, groups = 0;
  for (; groups * 32 < kPropertyWeights; groups += GridGroups::kGroups) {
    truth.fill(static_cast<uint32_t>(groups));
    off_grid += kernels.recover_grid(truth.w.data(), GridGroups::kGroups, levels.data(), scales.data());
    compare(truth, levels, scales, wrong);
  }
  CHECK(off_grid == 0);
  CHECK(wrong.weights == 0);
  CHECK(wrong.steps == 0);
  CHECK(wrong.whole > groups * 6 / 10);  // gcd 1: nothing to divide by
}

// Groups of every kind that the kernels treat differently.
std::vector<float> motley_groups(size_t groups, std::mt19937& engine) {
  GridGroups grid;
  grid.fill(12345);
  std::vector<float> w(grid.w.begin(), grid.w.begin() + static_cast<std::ptrdiff_t>(groups * 32));
  std::normal_distribution<float> normal(0, 0.02f);
  for (size_t g = 0; g < groups; ++g) {
    float* group = w.data() + g * 32;
    float& one = group[engine() % 32];
    switch (engine() % 13) {
      case 0:  // trained for nothing
        for (size_t i = 0; i < 32; ++i) group[i] = bf16(normal(engine));
        break;
      case 1:  // float32
        for (size_t i = 0; i < 32; ++i) group[i] = normal(engine);
        break;
      case 2:  // a bit of bfloat16 beside the grid, so that no step reproduces all
        one = float_from(bits_from(one) + 0x10000u);
        break;
      case 3:  // about as far beside the grid as is let pass
        one += (static_cast<float>(engine() % 5) - 2) * 0x1p-8f * *std::max_element(group, group + 32);
        one = bf16(one);
        break;
      case 4:
        one = std::array{kNan, -kNan, kInf, -kInf}[engine() % 4];
        break;
      case 5:  // beyond fp16 on either side, and where it is coarse
        for (size_t i = 0; i < 32; ++i)
          group[i] = bf16(std::ldexp(group[i], static_cast<int>(engine() % 2) * 40 - 20));
        break;
      case 6: {
        const int exponent = static_cast<int>(engine() % 280) - 140;
        for (size_t i = 0; i < 32; ++i) group[i] = bf16(std::ldexp(group[i], exponent));
        break;
      }
      case 7:
        std::fill(group, group + 32, engine() % 2 == 0 ? 0.0f : -0.0f);
        break;
      case 8:  // a grid in float32
        for (size_t i = 0; i < 32; ++i)
          group[i] = 0.1f * static_cast<float>(static_cast<int>(engine() % 16) - 8);
        break;
      default:
        break;
    }
  }
  return w;
}

TEST_CASE("every instruction set recovers grids to the bit as the definition does") {
  std::mt19937 engine(7);
  for (size_t groups : {size_t{1}, size_t{2}, size_t{63}, size_t{64}, size_t{65}, GridGroups::kGroups}) {
    const std::vector<float> w = motley_groups(groups, engine);
    std::vector<Group> expected(groups);
    std::vector<bool> on_grid(groups);
    size_t off_grid = 0;
    for (size_t g = 0; g < groups; ++g) {
      on_grid[g] = q4_0_recover_grid(std::span<const float, 32>(w.data() + g * 32, 32), expected[g].levels,
                                     expected[g].scale);
      off_grid += !on_grid[g];
    }
    for (Isa isa : supported_isas()) {
      CAPTURE(to_string(isa));
      std::vector<int8_t> levels(groups * 32);
      std::vector<uint16_t> scales(groups + 1, 0xbeef);
      REQUIRE(kernel_table(isa).recover_grid(w.data(), groups, levels.data(), scales.data()) == off_grid);
      REQUIRE(scales[groups] == 0xbeef);
      for (size_t g = 0; g < groups; ++g) {
        REQUIRE(scales[g] == (on_grid[g] ? expected[g].scale : kOffGrid));
        if (on_grid[g]) REQUIRE(std::memcmp(levels.data() + g * 32, expected[g].levels, 32) == 0);
      }
    }
  }
}

TEST_CASE("every instruction set quantizes by the textbook to the bit as the definition does") {
  std::mt19937 engine(8);
  for (size_t groups : {size_t{1}, size_t{64}, size_t{65}, GridGroups::kGroups}) {
    const std::vector<float> w = motley_groups(groups, engine);
    for (Isa isa : supported_isas()) {
      CAPTURE(to_string(isa));
      std::vector<int8_t> levels(groups * 32);
      std::vector<uint16_t> scales(groups);
      kernel_table(isa).q4_0_textbook(w.data(), groups, levels.data(), scales.data());
      for (size_t g = 0; g < groups; ++g) {
        Group expected;
        REQUIRE(scales[g] ==
                q4_0_textbook(std::span<const float, 32>(w.data() + g * 32, 32), expected.levels));
        REQUIRE(std::memcmp(levels.data() + g * 32, expected.levels, 32) == 0);
      }
    }
  }
}

TEST_CASE("every instruction set finds largest magnitudes and symmetric levels as the definitions do") {
  std::mt19937 engine(9);
  const std::vector<float> w = motley_groups(64, engine);
  for (size_t n : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{33}, size_t{96}, w.size()}) {
    for (Isa isa : supported_isas()) {
      CAPTURE(to_string(isa));
      const KernelTable& kernels = kernel_table(isa);
      const float largest = kernel_table(Isa::kPortable).absmax(w.data(), n);
      REQUIRE(kernels.absmax(w.data(), n) == largest);
      for (int bits : {2, 3, 4, 8}) {
        for (float scale : {symmetric_scale(largest, bits), 0.01f, 0.0f, kInf, 1e-44f}) {
          std::vector<int8_t> found(n), expected(n);
          kernels.symmetric_levels(w.data(), n, scale, bits, found.data());
          symmetric_levels({w.data(), n}, scale, bits, expected);
          REQUIRE(found == expected);
        }
      }
    }
  }
}

}  // namespace
}  // namespace gemma::kernels
