// Means, errors and intervals: against their definitions, and in simulation against the truth that they claim
// to cover.
#include "engine/evaluation/sample_statistics.h"

#include <cmath>
#include <random>

#include <doctest/doctest.h>

#include "engine/evaluation/comparison.h"

namespace gemma {
namespace {

// Box and Muller on a generator whose output the standard fixes: the same draws on every machine.
class Normal {
 public:
  explicit Normal(uint64_t seed) : random_(seed) {}
  double operator()() {
    const double u = (static_cast<double>(random_() >> 11) + 0.5) * 0x1p-53;
    const double v = static_cast<double>(random_() >> 11) * 0x1p-53;
    return std::sqrt(-2 * std::log(u)) * std::cos(2 * 3.14159265358979323846 * v);
  }

 private:
  std::mt19937_64 random_;
};

TEST_CASE("moments are the sums of their definitions") {
  Moments moments;
  CHECK(std::isnan(moments.average()));
  for (const double sample : {2.0, 4.0, 4.0, 5.0, 10.0}) moments.add(sample);
  CHECK(moments.average() == 5.0);
  CHECK(moments.deviation() == doctest::Approx(3.0));  // sqrt((9 + 1 + 1 + 0 + 25) / 4)
  CHECK(moments.standard_error() == doctest::Approx(3.0 / std::sqrt(5.0)));
}

TEST_CASE("a spread far smaller than the mean is not lost") {
  Moments moments;
  for (int i = 0; i < 1000; ++i) moments.add(1e9 + i % 2);
  CHECK(moments.deviation() == doctest::Approx(0.5).epsilon(1e-3));
}

TEST_CASE("percentiles are linear between the sorted samples") {
  std::vector<float> samples = {5, 1, 4, 2, 3};
  CHECK(percentile(samples, 0.0) == 1.0);
  CHECK(percentile(samples, 1.0) == 5.0);
  CHECK(percentile(samples, 0.5) == 3.0);
  CHECK(percentile(samples, 0.9) == doctest::Approx(4.6));
  std::vector<float> none;
  CHECK(std::isnan(percentile(none, 0.5)));
}

TEST_CASE("equal clusters have the error of their means, and clusters of one that of their samples") {
  Moments samples;
  ClusterMoments ones, pairs;
  Moments means;
  Normal normal(5);
  for (int i = 0; i < 100; ++i) {
    const double a = normal(), b = normal();
    samples.add(a);
    samples.add(b);
    ones.add(1, a);
    ones.add(1, b);
    pairs.add(2, a + b);
    means.add((a + b) / 2);
  }
  CHECK(ones.standard_error() == doctest::Approx(samples.standard_error()));
  CHECK(pairs.standard_error() == doctest::Approx(means.standard_error()));
}

// Two models' losses: a hard or easy token is so for both, so their difference is far surer than either.
TEST_CASE(
    "the ratio's error bar covers the truth at its nominal rate, and is smaller than one without "
    "covariance") {
  constexpr int kRuns = 2000;
  constexpr double kTruth = 0.03;
  Normal normal(20240501);
  int covered = 0, covered_without = 0;
  for (int run = 0; run < kRuns; ++run) {
    Comparison comparison(1);
    for (int token = 0; token < 200; ++token) {
      const double shared = std::exp(0.8 * normal());
      TokenComparison one;
      one.base_loss = shared + 0.05 * normal();
      one.loss = shared + kTruth + 0.05 * normal();
      comparison.base_loss.add(one.base_loss);
      comparison.pairs[0].add(one);
    }
    const PairResult result = summarize(comparison, 0);
    covered += std::abs(result.log_ratio - kTruth) <= 1.96 * result.log_ratio_error;
    const double without =
        std::hypot(result.error / result.perplexity, result.base_error / result.base_perplexity);
    covered_without += std::abs(result.log_ratio - kTruth) <= 1.96 * without;
  }
  // Binomial: 95 % of 2000 has a standard deviation of 0.5 %.
  CHECK(covered > 0.935 * kRuns);
  CHECK(covered < 0.965 * kRuns);
  CHECK(covered_without == kRuns);  // 100 % where 95 % is claimed: useless
}

TEST_CASE(
    "where tokens of a window hang together, the windows' error bar covers the truth and the tokens' does "
    "not") {
  constexpr int kRuns = 1000;
  Normal normal(77);
  int by_window = 0, by_token = 0;
  for (int run = 0; run < kRuns; ++run) {
    Moments tokens;
    ClusterMoments windows;
    for (int window = 0; window < 60; ++window) {
      const double topic = 0.5 * normal();
      double sum = 0;
      const int size = 10 + window % 7;
      for (int i = 0; i < size; ++i) {
        const double loss = 2.0 + topic + normal();
        tokens.add(loss);
        sum += loss;
      }
      windows.add(size, sum);
    }
    by_window += std::abs(tokens.average() - 2.0) <= 2.0 * windows.standard_error();  // t of 59 degrees: 2.0
    by_token += std::abs(tokens.average() - 2.0) <= 2.0 * tokens.standard_error();
  }
  CHECK(by_window > 0.93 * kRuns);
  CHECK(by_window < 0.97 * kRuns);
  CHECK(by_token < 0.85 * kRuns);
}

}  // namespace
}  // namespace gemma
