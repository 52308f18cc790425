// The definitions of weight quantization: computed by hand, and properties over many random groups.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/quantize.h"

namespace gemma::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float bf16(float x) {
  return from_bf16(to_bf16(x));
}

TEST_CASE("symmetric levels are rounded half to even by division and clamped") {
  CHECK(symmetric_scale(127.0f, 8) == 1.0f);
  CHECK(symmetric_scale(3.5f, 4) == 0.5f);
  CHECK(symmetric_scale(6.0f, 3) == 2.0f);
  CHECK(symmetric_scale(2.0f, 2) == 2.0f);
  CHECK(symmetric_scale(0.0f, 8) == 0.0f);

  const float w[8] = {0.25f, 0.75f, -0.25f, -0.75f, 3.5f, -3.5f, 1.2f, 0.0f};
  int8_t levels[8];
  symmetric_levels(w, 0.5f, 4, levels);
  const int8_t expected[8] = {0, 2, 0, -2, 7, -7, 2, 0};
  CHECK(std::equal(levels, levels + 8, expected));

  const float wide[4] = {1000, -1000, 0.6f, -0.4f};
  int8_t clamped[4];
  symmetric_levels(wide, 1.0f, 8, clamped);
  CHECK((clamped[0] == 127 && clamped[1] == -127 && clamped[2] == 1 && clamped[3] == 0));
  symmetric_levels(wide, 1.0f, 2, clamped);
  CHECK((clamped[0] == 1 && clamped[1] == -1 && clamped[2] == 1 && clamped[3] == 0));
}

TEST_CASE("symmetric levels of zeros, NaNs and infinities are defined") {
  const float w[4] = {0.0f, kNan, kInf, -kInf};
  int8_t levels[4];
  symmetric_levels(w, 1.0f, 8, levels);
  CHECK((levels[0] == 0 && levels[1] == 0 && levels[2] == 127 && levels[3] == -127));
  const float zeros[4] = {};
  symmetric_levels(zeros, symmetric_scale(0.0f, 8), 8, levels);
  CHECK(std::all_of(levels, levels + 4, [](int8_t level) { return level == 0; }));
}

struct Group {
  int8_t levels[32] = {};
  uint16_t scale = 0xdead;
};

Group textbook(std::initializer_list<float> values) {
  float w[32] = {};
  std::copy(values.begin(), values.end(), w);
  Group group;
  group.scale = q4_0_textbook(w, group.levels);
  return group;
}

TEST_CASE("textbook Q4_0 agrees with a group computed by hand") {
  const Group negative = textbook({-4, 4, 1.3f, 0.25f, -0.25f, -0.26f, 3.74f, 3.75f, -3.76f});
  CHECK(negative.scale == 0x3800);  // 0.5
  const int8_t expected[10] = {-8, 7, 3, 1, 0, -1, 7, 7, -8, 0};
  CHECK(std::equal(expected, expected + 10, negative.levels));

  const Group positive = textbook({1, 4, -4, 0.25f, -0.25f});
  CHECK(positive.scale == 0xb800);  // -0.5: the peak is level -8 whatever its sign
  const int8_t mirrored[6] = {-2, -8, 7, 0, 1, 0};
  CHECK(std::equal(mirrored, mirrored + 6, positive.levels));
}

TEST_CASE("textbook Q4_0 takes the first of two equal peaks") {
  CHECK(textbook({0.5f, 2, -2}).scale == to_f16(-0.25f));
  CHECK(textbook({0.5f, -2, 2}).scale == to_f16(0.25f));
}

TEST_CASE("textbook Q4_0 finds levels with the step before it is rounded to fp16") {
  // The step is 1.0001 and stored as 1; 0.50004 is above half of the stored step but below half of the true
  // one.
  const Group group = textbook({-8.0008f, 0.50004f});
  CHECK(group.scale == 0x3c00);
  CHECK(group.levels[1] == 0);
}

TEST_CASE("textbook Q4_0 of zeros, NaNs and infinities is defined") {
  const Group zeros = textbook({});
  CHECK(from_f16(zeros.scale) == 0.0f);
  CHECK(std::all_of(zeros.levels, zeros.levels + 32, [](int8_t level) { return level == 0; }));
  const Group nan = textbook({kNan, -8, 3});
  CHECK(nan.scale == 0x3c00);
  CHECK((nan.levels[0] == 0 && nan.levels[1] == -8 && nan.levels[2] == 3));
  const Group inf = textbook({kInf, -8, 3});
  CHECK(std::isinf(from_f16(inf.scale)));
  CHECK(std::all_of(inf.levels, inf.levels + 32, [](int8_t level) { return level == 0; }));
}

// Levels whose peak is exactly `peak` (-8..7, not 0), all of smaller magnitude or equal.
std::vector<int> random_grid(int peak, std::mt19937& engine) {
  const int largest = std::abs(peak);
  std::vector<int> levels(32);
  const bool sparse = engine() % 4 == 0;
  for (int& level : levels) {
    level = static_cast<int>(engine() % static_cast<unsigned>(2 * largest + 1)) - largest;
    level = std::min(level, 7);
    if (sparse && engine() % 4 != 0) level = 0;
  }
  levels[engine() % 32] = peak;
  return levels;
}

int divisor_of(const std::vector<int>& levels) {
  int divisor = 0;
  for (int level : levels) divisor = std::gcd(divisor, level);
  return divisor;
}

// A group shows its levels only up to a common divisor: {2, 4} times s is {1, 2} times 2 s. So the levels
// must come back divided by it, and as they were if it is 1.
TEST_CASE("a trained grid of any step is recovered over a million weights") {
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> exponent(-13, -1);
  size_t whole = 0;
  for (size_t g = 0; g < 1000000 / 32; ++g) {
    const float step = std::exp2(exponent(engine));
    const int peak = g % 15 < 8 ? static_cast<int>(g % 15) - 8 : static_cast<int>(g % 15) - 7;
    const std::vector<int> levels = random_grid(peak, engine);
    const int divisor = divisor_of(levels);
    whole += divisor == 1;
    float w[32];
    for (size_t i = 0; i < 32; ++i) w[i] = bf16(step * static_cast<float>(levels[i]));
    Group group;
    REQUIRE(q4_0_recover_grid(w, group.levels, group.scale));
    for (size_t i = 0; i < 32; ++i) REQUIRE(group.levels[i] * divisor == levels[i]);
    // Both steps lie in the interval that a weight's rounding leaves, which is at most 2^-7 wide.
    REQUIRE(std::fabs(from_f16(group.scale) / (step * static_cast<float>(divisor)) - 1) <= 0x1p-7f);
  }
  CHECK(whole > 20000);
}

TEST_CASE("a bfloat16 step comes back itself if a level of the group is a power of two") {
  std::mt19937 engine(5);
  std::uniform_real_distribution<float> exponent(-13, -1);
  for (size_t g = 0; g < 20000; ++g) {
    const float step = bf16(std::exp2(exponent(engine)));
    std::vector<int> levels = random_grid(g % 3 == 0 ? -8 : 1 + static_cast<int>(g % 7), engine);
    levels[g % 32] = g % 2 == 0 ? 1 : -1;
    float w[32];
    for (size_t i = 0; i < 32; ++i) w[i] = bf16(step * static_cast<float>(levels[i]));
    Group group;
    REQUIRE(q4_0_recover_grid(w, group.levels, group.scale));
    REQUIRE(from_f16(group.scale) == step);
  }
}

TEST_CASE("a grid whose step is an fp16 or bfloat16 value is reproduced to the last bit") {
  std::mt19937 engine(2);
  std::uniform_real_distribution<float> exponent(-13, -1);
  for (size_t g = 0; g < 20000; ++g) {
    const float drawn = std::exp2(exponent(engine));
    const float step = g % 2 == 0 ? from_f16(to_f16(drawn)) : bf16(drawn);
    const std::vector<int> levels = random_grid(g % 3 == 0 ? -8 : 1 + static_cast<int>(g % 7), engine);
    float w[32];
    for (size_t i = 0; i < 32; ++i) w[i] = bf16(step * static_cast<float>(levels[i]));
    Group group;
    REQUIRE(q4_0_recover_grid(w, group.levels, group.scale));
    for (size_t i = 0; i < 32; ++i) {
      REQUIRE(bf16(from_f16(group.scale) * static_cast<float>(group.levels[i])) == w[i]);
    }
  }
}

TEST_CASE("a grid stored in float32 with an fp16 step comes back exactly") {
  std::mt19937 engine(3);
  for (size_t g = 0; g < 5000; ++g) {
    const float step = from_f16(static_cast<uint16_t>(0x1001 + 2 * (engine() % 0x1400)));  // odd: all 11 bits
    std::vector<int> levels = random_grid(-8, engine);
    levels[0] = 7;
    levels[1] = -8;
    float w[32];
    for (size_t i = 0; i < 32; ++i) w[i] = step * static_cast<float>(levels[i]);
    Group group;
    REQUIRE(q4_0_recover_grid(w, group.levels, group.scale));
    REQUIRE(from_f16(group.scale) == step);
    for (size_t i = 0; i < 32; ++i) REQUIRE(group.levels[i] == levels[i]);
  }
}

TEST_CASE("a group of zeros is on the grid with step 0") {
  float w[32] = {};
  w[3] = -0.0f;
  Group group;
  std::fill(group.levels, group.levels + 32, int8_t{5});
  REQUIRE(q4_0_recover_grid(w, group.levels, group.scale));
  CHECK(group.scale == 0);
  CHECK(std::all_of(group.levels, group.levels + 32, [](int8_t level) { return level == 0; }));
}

void check_refused(std::span<const float, 32> w) {
  Group group;
  std::fill(group.levels, group.levels + 32, int8_t{5});
  REQUIRE_FALSE(q4_0_recover_grid(w, group.levels, group.scale));
  REQUIRE(group.scale == 0xdead);
  REQUIRE(std::all_of(group.levels, group.levels + 32, [](int8_t level) { return level == 5; }));
}

TEST_CASE("ordinary weights are refused, and nothing is written") {
  std::mt19937 engine(4);
  std::normal_distribution<float> normal(0, 0.02f);
  for (size_t g = 0; g < 2000; ++g) {
    float w[32];
    for (float& value : w) value = bf16(normal(engine));
    check_refused(w);
  }
}

TEST_CASE("one weight off the grid is enough to refuse the group") {
  for (size_t position = 1; position < 32; ++position) {
    float w[32];
    for (size_t i = 0; i < 32; ++i) w[i] = 0.25f * static_cast<float>(static_cast<int>(i % 16) - 8);
    Group group;
    REQUIRE(q4_0_recover_grid(w, group.levels, group.scale));
    w[position] += 0.08f;
    check_refused(w);
  }
}

TEST_CASE("a grid of nine positive levels is none of ours") {
  float w[32] = {};
  for (size_t i = 0; i < 9; ++i) w[i] = static_cast<float>(i);  // peak +8, gcd 1: 15 levels would not hold it
  check_refused(w);
}

TEST_CASE("NaNs and infinities are refused") {
  for (float bad : {kNan, kInf, -kInf}) {
    for (size_t position : {0, 17, 31}) {
      float w[32];
      std::fill(w, w + 32, 1.0f);
      w[position] = bad;
      check_refused(w);
    }
  }
}

TEST_CASE("a step beyond the range of fp16 is refused") {
  for (float step : {1e30f, 1e5f, 1e-10f, 1e-44f}) {
    float w[32] = {};
    w[0] = step;
    w[1] = -step;
    check_refused(w);
  }
}

float float_from(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

TEST_CASE("groups that show two levels only come back at every step") {
  size_t wrong = 0;
  for (int peak = -8; peak <= 7; ++peak) {
    for (int other = -std::abs(peak); other <= std::min(std::abs(peak), 7); ++other) {
      if (std::gcd(peak, other) != 1) continue;
      for (uint32_t mantissa = 0; mantissa < 1 << 12; ++mantissa) {
        const float step = float_from(120u << 23 | mantissa << 11 | 0x123);
        float w[32] = {};
        w[3] = bf16(step * static_cast<float>(peak));
        w[20] = bf16(step * static_cast<float>(other));
        Group group;
        wrong += !q4_0_recover_grid(w, group.levels, group.scale) || group.levels[3] != peak ||
                 group.levels[20] != other || group.levels[0] != 0;
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("levels of a grid below the normal range of fp16 come back, with the nearest step") {
  std::mt19937 engine(6);
  for (int exponent = -24; exponent < -14; ++exponent) {
    for (size_t trial = 0; trial < 200; ++trial) {
      const float step = std::ldexp(1 + static_cast<float>(engine() % 4096) / 4096, exponent);
      std::vector<int> levels = random_grid(-8, engine);
      levels[0] = 7;
      levels[1] = -8;
      float w[32];
      for (size_t i = 0; i < 32; ++i) w[i] = bf16(step * static_cast<float>(levels[i]));
      Group group;
      REQUIRE(q4_0_recover_grid(w, group.levels, group.scale));
      for (size_t i = 0; i < 32; ++i) REQUIRE(group.levels[i] == levels[i]);
      REQUIRE(std::fabs(from_f16(group.scale) - step) <= 0x1p-25f + step * 0x1p-8f);
    }
  }
}

// --- groups that lie on no grid ---

double squared_error(std::span<const float, 32> w, const Group& group) {
  double sum = 0;
  for (size_t i = 0; i < 32; ++i) {
    const double error = w[i] - static_cast<double>(from_f16(group.scale)) * group.levels[i];
    sum += error * error;
  }
  return sum;
}

TEST_CASE("the least error is never above the textbook's and below it for most groups") {
  std::mt19937 engine(10);
  std::normal_distribution<float> normal(0, 0.02f);
  size_t better = 0;
  double least = 0, textbook_sum = 0;
  for (size_t g = 0; g < 2000; ++g) {
    float w[32];
    for (float& value : w) value = bf16(normal(engine));
    Group plain, fitted;
    plain.scale = q4_0_textbook(w, plain.levels);
    fitted.scale = q4_0_least_error(w, fitted.levels);
    const double error = squared_error(w, fitted), before = squared_error(w, plain);
    REQUIRE(error <= before);
    better += error < before;
    least += error;
    textbook_sum += before;
  }
  CHECK(better > 1500);
  CHECK(least < 0.97 * textbook_sum);
}

TEST_CASE("the least error of zeros, NaNs and infinities is the textbook's") {
  for (float odd : {0.0f, kNan, kInf}) {
    float w[32] = {odd, -8, 3};
    if (odd == 0.0f) std::fill(w, w + 32, 0.0f);
    Group plain, fitted;
    plain.scale = q4_0_textbook(w, plain.levels);
    fitted.scale = q4_0_least_error(w, fitted.levels);
    CHECK(fitted.scale == plain.scale);
    CHECK(std::equal(plain.levels, plain.levels + 32, fitted.levels));
  }
}

// Value of a half or bfloat16, from its definition.
double value_of(uint16_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const double fraction = std::ldexp(bits & ((1 << mantissa_bits) - 1), -mantissa_bits);
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

// Rounding is monotonic, so both sides of every midpoint between neighbours decide all of it.
void check_rounding(uint16_t (*to)(float), float (*from)(uint16_t), int exponent_bits, int mantissa_bits) {
  const unsigned infinity = ((1u << exponent_bits) - 1) << mantissa_bits;
  for (unsigned bits = 0; bits < infinity; ++bits) {
    for (unsigned sign : {0u, 0x8000u}) {
      const uint16_t here = static_cast<uint16_t>(bits | sign),
                     next = static_cast<uint16_t>((bits + 1) | sign);
      const double low = value_of(here, exponent_bits, mantissa_bits);
      const double high = value_of(next, exponent_bits, mantissa_bits);  // of infinity: what would come next
      REQUIRE(static_cast<double>(from(here)) == low);
      REQUIRE(std::signbit(from(here)) == (sign != 0));
      REQUIRE(to(static_cast<float>(low)) == here);
      const double exact = (low + high) / 2;
      const float middle = static_cast<float>(exact);
      if (static_cast<double>(middle) != exact) continue;  // between the smallest bfloat16 denormals
      REQUIRE(to(middle) == (bits % 2 == 0 ? here : next));
      REQUIRE(to(std::nextafter(middle, 0.0f)) == here);
      REQUIRE(to(std::nextafter(middle, sign != 0 ? -kInf : kInf)) == next);
    }
  }
  for (unsigned sign : {0u, 0x8000u}) {
    const float infinite = sign != 0 ? -kInf : kInf;
    REQUIRE(from(static_cast<uint16_t>(infinity | sign)) == infinite);
    REQUIRE(to(infinite) == (infinity | sign));
    for (unsigned bits = infinity + 1; bits < 0x8000; ++bits) {
      const float nan = from(static_cast<uint16_t>(bits | sign));
      REQUIRE(std::isnan(nan));
      REQUIRE((to(nan) & 0x7fff) > infinity);
    }
  }
}

TEST_CASE("every fp16 value and every rounding to it is right") {
  check_rounding(to_f16, from_f16, 5, 10);
  CHECK(to_f16(65519.996f) == 0x7bff);
  CHECK(to_f16(65520.0f) == 0x7c00);
  CHECK(to_f16(3e38f) == 0x7c00);
  CHECK(to_f16(0x1p-25f) == 0);
  CHECK(to_f16(-1e-30f) == 0x8000);
}

TEST_CASE("every bfloat16 value and every rounding to it is right") {
  check_rounding(to_bf16, from_bf16, 8, 7);
  uint32_t bits = 0x7f800001;  // a NaN whose payload bfloat16 cuts off
  float nan;
  std::memcpy(&nan, &bits, sizeof(nan));
  CHECK(std::isnan(from_bf16(to_bf16(nan))));
  CHECK(to_bf16(std::numeric_limits<float>::max()) == 0x7f80);
}

}  // namespace
}  // namespace gemma::kernels
