// Histograms against the sorted values themselves.
#include "engine/activation_histogram.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>
#include <random>

#include <doctest/doctest.h>

namespace gemma {
namespace {

std::vector<float> heavy_tailed(size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.1f, 1);
  std::vector<float> values(n);
  for (float& value : values) value = std::pow(normal(engine), 3.0f);
  return values;
}

ActivationHistogram histogram_of(std::span<const float> values) {
  ActivationHistogram histogram;
  histogram.add(values);
  return histogram;
}

TEST_CASE("a percentile of magnitudes lies at the sorted value or at most 1 + 2^-8 times above") {
  for (size_t n : {1u, 2u, 7u, 1000u}) {
    std::vector<float> values = heavy_tailed(n, static_cast<unsigned>(n));
    const ActivationHistogram histogram = histogram_of(values);
    for (float& value : values) value = std::fabs(value);
    std::sort(values.begin(), values.end());
    for (double percent : {0.001, 1.0, 50.0, 99.0, 99.9, 100.0}) {
      CAPTURE(n);
      CAPTURE(percent);
      const size_t rank =
          std::max<size_t>(1, static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(n))));
      const float exact = values[rank - 1], found = histogram.magnitude_percentile(percent);
      CHECK(found >= exact);
      CHECK(found <= exact * (1 + 0x1p-8f));
    }
    CHECK(histogram.magnitude_percentile(100) == values.back());
  }
}

TEST_CASE("a range leaves the same share outside at both ends") {
  std::vector<float> values = heavy_tailed(5000, 3);
  const ActivationHistogram histogram = histogram_of(values);
  std::sort(values.begin(), values.end());
  for (double percent : {90.0, 99.0, 99.9, 100.0}) {
    CAPTURE(percent);
    const size_t rank = static_cast<size_t>(std::ceil(percent / 100 * 5000));
    const auto [low, high] = histogram.range_percentile(percent);
    const float exact_high = values[rank - 1], exact_low = values[5000 - rank];
    CHECK(high >= exact_high);
    CHECK(high <= exact_high * (1 + 0x1p-8f));
    CHECK(low <= exact_low);
    CHECK(low >= exact_low * (1 + 0x1p-8f));
  }
  CHECK(histogram.range_percentile(100) == std::pair(values.front(), values.back()));
}

TEST_CASE("one-signed values have 0 as their other end") {
  const std::vector<float> negative = {-1, -2, -3}, positive = {1, 2, 3};
  CHECK(histogram_of(negative).range_percentile(100) == std::pair(-3.0f, 0.0f));
  CHECK(histogram_of(positive).range_percentile(100) == std::pair(0.0f, 3.0f));
  CHECK(histogram_of(positive).range_percentile(1).second >= 1);
  CHECK(histogram_of(positive).range_percentile(1).second <= 1 + 0x1p-8f);
}

TEST_CASE("the ends of float32 are counted, what is not finite is told apart") {
  const float inf = std::numeric_limits<float>::infinity(), tiny = std::numeric_limits<float>::denorm_min();
  const std::vector<float> values = {FLT_MAX, -FLT_MAX, tiny, -tiny, 0, -0.0f, inf, -inf, std::nanf("")};
  const ActivationHistogram histogram = histogram_of(values);
  CHECK(histogram.count() == 6);
  CHECK(histogram.not_finite() == 3);
  CHECK(histogram.lowest() == -FLT_MAX);
  CHECK(histogram.highest() == FLT_MAX);
  CHECK(histogram.magnitude_percentile(100) == FLT_MAX);
  CHECK(histogram.magnitude_percentile(50) <= 0x1p-134f);
  for (const ActivationHistogram::Bin& bin : histogram.bins()) CHECK(std::isfinite(bin.value));
}

TEST_CASE("nothing seen gives zeros") {
  const ActivationHistogram histogram;
  CHECK(histogram.magnitude_percentile(99) == 0);
  CHECK(histogram.range_percentile(99) == std::pair(0.0f, 0.0f));
  CHECK(histogram.absmax() == 0);
  CHECK(histogram.bins().empty());
}

TEST_CASE("order and chunks have no say: the same bins, counts and ends") {
  std::vector<float> values = heavy_tailed(3000, 4);
  const ActivationHistogram whole = histogram_of(values);
  std::shuffle(values.begin(), values.end(), std::mt19937(5));
  ActivationHistogram parts;
  for (size_t i = 0; i < values.size(); i += 7) {
    parts.add(std::span(values).subspan(i, std::min<size_t>(7, values.size() - i)));
  }
  REQUIRE(whole.bins().size() == parts.bins().size());
  for (size_t i = 0; i < whole.bins().size(); ++i) {
    CHECK(whole.bins()[i].value == parts.bins()[i].value);
    CHECK(whole.bins()[i].count == parts.bins()[i].count);
  }
  CHECK(whole.lowest() == parts.lowest());
  CHECK(whole.highest() == parts.highest());
}

TEST_CASE("the middle of a bin is within 2^-9 of each of its values") {
  const std::vector<float> values = heavy_tailed(500, 6);
  for (float value : values) {
    const std::vector<ActivationHistogram::Bin> bins = histogram_of({&value, 1}).bins();
    REQUIRE(bins.size() == 1);
    CHECK(std::fabs(bins[0].value - value) <= std::fabs(value) * 0x1.01p-9);
  }
}

}  // namespace
}  // namespace gemma
