// Zero points against the definition in float64, at the ends of float32 too.
#include "kernels/affine.h"

#include <cfloat>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

namespace gemma::kernels {
namespace {

// As torch.ao's min-max observer defines it, in float64 but for the scale, which is stored as float32.
struct Reference {
  double scale = 0, zero = 0;
  int levels;

  Reference(const std::vector<float>& x, int bits) : levels((1 << bits) - 1) {
    double low = 0, high = 0;
    for (float value : x) {
      low = std::min<double>(low, value);
      high = std::max<double>(high, value);
    }
    scale = static_cast<float>((high - low) / levels);
    if (scale > 0) zero = std::clamp<double>(std::nearbyint(-low / scale), 0, levels);
  }
  double ratio(float x) const { return scale > 0 ? x / scale : 0; }
  float value(float x) const {
    const double level = std::clamp<double>(std::nearbyint(ratio(x)) + zero, 0, levels);
    return static_cast<float>(scale * (level - zero));
  }
  // Float32 division may land on a tie that the exact quotient misses.
  bool near_tie(float x) const {
    const double off = std::fabs(ratio(x) - std::floor(ratio(x)) - 0.5);
    return off < 1e-4;
  }
};

void check_against_reference(const std::vector<float>& x, int bits) {
  const Reference reference(x, bits);
  const AffineGrid grid = affine_grid_of(x, bits);
  CHECK(grid.scale == static_cast<float>(reference.scale));
  const double zero_ratio = reference.scale > 0 ? reference.zero : 0;
  CHECK(std::fabs(grid.zero - zero_ratio) <= 1);  // a tie of the zero point may fall either way
  std::vector<float> y(x.size());
  affine_round(x, grid, bits, y.data());
  if (grid.zero != static_cast<float>(reference.zero)) return;
  for (size_t i = 0; i < x.size(); ++i) {
    if (reference.near_tie(x[i])) continue;
    CHECK(y[i] == reference.value(x[i]));
  }
}

TEST_CASE(
    "rounding with a zero point is the float64 definition for 2, 3, 4 and 8 bits, wherever the values lie") {
  std::mt19937 engine(1);
  for (int bits : {2, 3, 4, 8}) {
    for (float shift : {-3.0f, -0.5f, 0.0f, 0.7f, 5.0f}) {
      for (float size : {1e-30f, 0.02f, 1.0f, 1e20f}) {
        CAPTURE(bits);
        CAPTURE(shift);
        CAPTURE(size);
        std::normal_distribution<float> normal(shift, 1);
        std::vector<float> x(97);
        for (float& value : x) value = size * normal(engine);
        check_against_reference(x, bits);
      }
    }
  }
}

TEST_CASE("the ends of float32: equal, zero, one-signed, largest and subnormal values") {
  const float tiny = std::numeric_limits<float>::denorm_min();
  const std::vector<std::vector<float>> extremes = {
      {3.5f, 3.5f, 3.5f},
      {-3.5f, -3.5f},
      {0, 0, 0, 0},
      {-0.0f, 0.0f},
      {-1, -2, -3, -0.25f},
      {1, 2, 3, 0.25f},
      {FLT_MAX / 2, -FLT_MAX / 2},
      {FLT_MAX / 2, 0, 1},
      {300 * tiny, -70 * tiny},
      {tiny, 0, -tiny, tiny},
      {FLT_MIN, 2 * FLT_MIN},
      {1e-45f, 1e30f},
  };
  for (int bits : {2, 4, 8}) {
    for (const std::vector<float>& x : extremes) {
      CAPTURE(bits);
      CAPTURE(x.front());
      check_against_reference(x, bits);
      std::vector<float> y(x.size());
      affine_round(x, affine_grid_of(x, bits), bits, y.data());
      for (float value : y) CHECK(std::isfinite(value));
    }
  }
}

TEST_CASE("0 stays 0, the ends are levels, and no value moves by more than half a scale") {
  std::mt19937 engine(2);
  for (int bits : {2, 4, 8}) {
    std::uniform_real_distribution<float> uniform(-1, 3);
    std::vector<float> x(200);
    for (float& value : x) value = uniform(engine);
    x[17] = 0;
    const AffineGrid grid = affine_grid_of(x, bits);
    std::vector<float> y(x.size());
    affine_round(x, grid, bits, y.data());
    CHECK(y[17] == 0);
    for (size_t i = 0; i < x.size(); ++i) {
      CHECK(affine_level(x[i], grid, bits) >= 0);
      CHECK(affine_level(x[i], grid, bits) <= highest_level(bits));
      // The ends may lie half a scale outside once the zero point is rounded.
      CHECK(std::fabs(y[i] - x[i]) <= grid.scale * 0.5001f * (1 + (i != 17)));
    }
  }
}

TEST_CASE("a NaN has the level of 0 and no say in the grid") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x = {nan, 1, -1, nan};
  CHECK(affine_grid_of(x, 4) == affine_grid(-1, 1, 4));
  std::vector<float> y(x.size());
  affine_round(x, affine_grid_of(x, 4), 4, y.data());
  CHECK(y[0] == 0);
  CHECK(y[3] == 0);
}

TEST_CASE("a zero point in the middle gives the symmetric levels of a known scale, clamped as static ones") {
  for (int bits : {4, 8}) {
    const float half = static_cast<float>(1 << (bits - 1));
    const AffineGrid grid{0.25f, half};
    for (float x : {0.0f, 0.125f, 0.375f, -0.125f, 1.0f, -1.1f, 1e9f, -1e9f}) {
      const float level = std::clamp(std::nearbyint(x / 0.25f), -half, half - 1);
      float y = 0;
      affine_round({&x, 1}, grid, bits, &y);
      CHECK(y == level * 0.25f);
    }
  }
}

}  // namespace
}  // namespace gemma::kernels
