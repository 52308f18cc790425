// Levels, scales and sums of activations: the definition by hand, and every instruction set against it.
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/kernel_table.h"

namespace gemma::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Quantized {
  std::vector<int8_t> q;
  std::vector<float> scales;
  std::vector<int32_t> sums;
};

Quantized quantize(Isa isa, const std::vector<float>& x, size_t tokens, size_t group, int qmax) {
  Quantized result{std::vector<int8_t>(x.size()), std::vector<float>(x.size() / group),
                   std::vector<int32_t>(x.size() / group)};
  kernel_table(isa).quantize_activations(x.data(), tokens, x.size() / tokens, group, qmax, result.q.data(),
                                         result.scales.data(), result.sums.data());
  return result;
}

void check_every_isa(const std::vector<float>& x, size_t tokens, size_t group, int qmax) {
  const Quantized expected = quantize(Isa::kPortable, x, tokens, group, qmax);
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    CAPTURE(group);
    CAPTURE(qmax);
    const Quantized found = quantize(isa, x, tokens, group, qmax);
    CHECK(found.q == expected.q);
    CHECK(found.sums == expected.sums);
    CHECK(std::memcmp(found.scales.data(), expected.scales.data(), found.scales.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("levels round half to even and the scale is absmax over the highest level") {
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    const Quantized found = quantize(isa, {127, -0.5f, 0.5f, 1.5f, 2.5f, -2.5f, -126.6f, 0}, 1, 8, 127);
    CHECK(found.q == std::vector<int8_t>{127, 0, 0, 2, 2, -2, -127, 0});
    CHECK(found.sums == std::vector<int32_t>{2});
    CHECK(found.scales == std::vector<float>{1});
    const Quantized four_bit = quantize(isa, {3.5f, -3.5f, 0.25f, 0.75f}, 1, 4, 7);
    CHECK(four_bit.q == std::vector<int8_t>{7, -7, 0, 2});
    CHECK(four_bit.scales == std::vector<float>{0.5f});
  }
}

TEST_CASE("zeros have level 0 and scale 0") {
  for (Isa isa : supported_isas()) {
    const Quantized found = quantize(isa, std::vector<float>(40, -0.0f), 1, 40, 127);
    CHECK(found.q == std::vector<int8_t>(40));
    CHECK(found.scales == std::vector<float>{0});
    CHECK(found.sums == std::vector<int32_t>{0});
  }
}

TEST_CASE("a NaN has level 0 and leaves its group's other levels as they are") {
  for (Isa isa : supported_isas()) {
    for (size_t position = 0; position < 11; ++position) {
      std::vector<float> x(11, 2.0f);
      x[position] = kNan;
      std::vector<int8_t> expected(11, 127);
      expected[position] = 0;
      const Quantized found = quantize(isa, x, 1, 11, 127);
      CHECK(found.q == expected);
      CHECK(found.sums == std::vector<int32_t>{1270});
    }
  }
}

TEST_CASE("an infinity makes every level 0 and the scale infinite") {
  for (Isa isa : supported_isas()) {
    std::vector<float> x(32, 3.0f);
    x[17] = -kInf;
    const Quantized found = quantize(isa, x, 1, 32, 127);
    CHECK(found.q == std::vector<int8_t>(32));
    CHECK(found.scales == std::vector<float>{kInf});
  }
}

TEST_CASE("every instruction set quantizes numbers of any size alike") {
  std::mt19937 engine(1);
  for (size_t group : {1, 2, 7, 8, 15, 16, 31, 32, 33, 96, 515, 2112}) {
    for (int qmax : {127, 7}) {
      // Bit patterns at random: NaNs, infinities, zeros and denormals among them.
      std::vector<float> x(6 * group);
      for (float& value : x) {
        const uint32_t bits = static_cast<uint32_t>(engine());
        std::memcpy(&value, &bits, sizeof(value));
      }
      check_every_isa(x, 3, group, qmax);
      for (float& value : x) value = static_cast<float>(engine() % 2001) * 1e-3f - 1;
      check_every_isa(x, 2, group, qmax);
      // Multiples of half a step: many exact ties.
      for (float& value : x) value = static_cast<float>(engine() % 255) * 0.5f - 63.5f;
      check_every_isa(x, 1, group, qmax);
      // Denormals, whose inverse scale overflows.
      for (float& value : x) value = static_cast<float>(engine() % 9) * 1e-45f - 4e-45f;
      check_every_isa(x, 2, group, qmax);
    }
  }
}

TEST_CASE("groups of 32 that are quantized together give what each gives alone, whatever is among them") {
  const float kinds[] = {1.0f, 0.0f, kNan, -kInf, 1e-40f, 2e-37f, 3.4e38f};  // the largest of a group
  std::mt19937 engine(3);
  for (size_t groups : {1, 7, 8, 9, 15, 16, 17, 33, 48}) {
    for (const float odd_one : kinds) {
      std::vector<float> x(groups * 32);
      for (float& value : x) value = static_cast<float>(engine() % 2001) * 1e-3f - 1;
      const size_t odd = engine() % groups;
      x[odd * 32 + odd % 32] = odd_one;
      if (std::fabs(odd_one) < 1) {  // nothing larger beside it
        for (size_t i = 0; i < 32; ++i) x[odd * 32 + i] *= odd_one;
      }
      CAPTURE(groups);
      CAPTURE(odd_one);
      check_every_isa(x, 1, 32, 127);
      check_every_isa(x, 1, 32, 7);
    }
  }
}

TEST_CASE("special values beside ordinary ones in every lane agree on every instruction set") {
  const float specials[] = {kNan,   -kNan,   kInf,    -kInf,    0.0f,  -0.0f,
                            1e-45f, -1e-40f, 3.4e38f, -3.4e38f, 1e-38f};
  std::mt19937 engine(2);
  for (size_t round = 0; round < 2000; ++round) {
    std::vector<float> x(64);
    for (float& value : x) value = static_cast<float>(engine() % 2001) * 1e-3f - 1;
    for (size_t i = 0; i < 1 + round % 4; ++i) x[engine() % 64] = specials[engine() % 11];
    check_every_isa(x, 1, 32, 127);
  }
}

}  // namespace
}  // namespace gemma::kernels
