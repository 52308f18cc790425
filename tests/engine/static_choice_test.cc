// Static scales against brute force over the values themselves.
#include "engine/static_choice.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <doctest/doctest.h>

#include "kernels/affine.h"

namespace gemma {
namespace {

std::vector<float> with_outliers(unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.3f, 1);
  std::vector<float> values(400);
  for (float& value : values) value = normal(engine);
  values[7] = 60;
  values[91] = -25;
  return values;
}

ActivationHistogram histogram_of(const std::vector<float>& values) {
  ActivationHistogram histogram;
  histogram.add(values);
  return histogram;
}

// Mean squared error of the values themselves between levels -2^(bits-1)..2^(bits-1) - 1.
double true_error(const std::vector<float>& values, double scale, int bits) {
  const double half = 1 << (bits - 1);
  double sum = 0;
  for (float value : values) {
    const double off = value - scale * std::clamp(std::nearbyint(value / scale), -half, half - 1);
    sum += off * off;
  }
  return sum / static_cast<double>(values.size());
}

double true_range_error(const std::vector<float>& values, float low, float high, int bits) {
  std::vector<float> y(values.size());
  kernels::affine_round(values, kernels::affine_grid(low, high, bits), bits, y.data());
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) sum += (double{values[i]} - y[i]) * (double{values[i]} - y[i]);
  return sum / static_cast<double>(values.size());
}

TEST_CASE("absmax clips nothing and puts the largest magnitude on the last level") {
  const ActivationHistogram seen = histogram_of(with_outliers(1));
  CHECK(static_scale(seen, {}, 8) == 60.0f / 127);
  CHECK(static_scale(seen, {}, 4) == 60.0f / 7);
  CHECK(static_range(seen, {}, 8) == std::pair(-25.0f, 60.0f));
}

TEST_CASE("a percentile leaves out the outliers") {
  const std::vector<float> values = with_outliers(2);
  const CalibrationRule rule{CalibrationMethod::kPercentile, 99};
  std::vector<float> sorted;
  for (float value : values) sorted.push_back(std::fabs(value));
  std::sort(sorted.begin(), sorted.end());
  const float exact = sorted[395] / 127;  // the 396th of 400
  CHECK(static_scale(histogram_of(values), rule, 8) >= exact);
  CHECK(static_scale(histogram_of(values), rule, 8) <= exact * (1 + 0x1.1p-8f));
  CHECK(static_range(histogram_of(values), rule, 8).second < 5);
}

TEST_CASE("MSE finds the clipping with the least error that brute force over the values finds") {
  for (unsigned seed : {3u, 4u, 5u}) {
    for (int bits : {4, 8}) {
      CAPTURE(seed);
      CAPTURE(bits);
      const std::vector<float> values = with_outliers(seed);
      const ActivationHistogram seen = histogram_of(values);
      const float largest = seen.absmax() / static_cast<float>((1 << (bits - 1)) - 1);
      double least = true_error(values, largest, bits), least_range = 1e30;
      for (int step = 0; step <= kClipSteps; ++step) {
        const float ratio = std::exp2(-static_cast<float>(step) / 8);
        least = std::min(least, true_error(values, largest * ratio, bits));
        least_range = std::min(least_range, true_range_error(values, -25 * ratio, 60 * ratio, bits));
      }
      const CalibrationRule mse{CalibrationMethod::kMse, 0};
      // The middles of the bins stand for their values: the two errors differ by what that moves them.
      CHECK(true_error(values, static_scale(seen, mse, bits), bits) <= least * 1.02);
      const auto [low, high] = static_range(seen, mse, bits);
      CHECK(true_range_error(values, low, high, bits) <= least_range * 1.02);
      CHECK(true_error(values, static_scale(seen, mse, bits), bits) <=
            true_error(values, static_scale(seen, {}, bits), bits) * 1.001);
    }
  }
}

TEST_CASE("only zeros, or nothing at all, give no scale under any method") {
  for (const CalibrationMethod method :
       {CalibrationMethod::kAbsmax, CalibrationMethod::kPercentile, CalibrationMethod::kMse}) {
    CHECK(static_scale(histogram_of({0, 0, 0}), {method, 99}, 8) == 0);
    CHECK(static_scale(ActivationHistogram(), {method, 99}, 8) == 0);
    CHECK(static_range(histogram_of({0}), {method, 99}, 4) == std::pair(0.0f, 0.0f));
  }
}

}  // namespace
}  // namespace gemma
