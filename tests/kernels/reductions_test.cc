#include "kernels/reductions.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace gemma::kernels;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Multiples of 1/64 in [-16, 16): many ties, as bfloat16 logits have.
std::vector<float> random_values(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(static_cast<int>(random() % 2048) - 1024) / 64.0f;
  return values;
}

// The definition, in long double and index order.
long double slow_log_sum_exp(const std::vector<float>& values) {
  long double sum = 0;
  for (float value : values) sum += std::exp(static_cast<long double>(value));
  return std::log(sum);
}

std::vector<size_t> lengths() {
  std::vector<size_t> result;
  for (size_t n = 1; n <= 40; ++n) result.push_back(n);
  result.push_back(1000);
  result.push_back(262144);
  return result;
}

}  // namespace

TEST_CASE("maximum and argmax find the first largest value at every length") {
  for (size_t n : lengths()) {
    const std::vector<float> values = random_values(n, n);
    const auto largest = std::max_element(values.begin(), values.end());
    CHECK(maximum(values) == *largest);
    CHECK(argmax(values) == static_cast<size_t>(largest - values.begin()));
  }
}

TEST_CASE("the maximum of nothing is -inf and has no index") {
  CHECK(maximum({}) == -kInf);
  CHECK(argmax({}) == 0);
}

TEST_CASE("a NaN anywhere makes the maximum NaN and the argmax none") {
  for (size_t n : {1u, 7u, 16u, 33u}) {
    for (size_t at = 0; at < n; ++at) {
      std::vector<float> values = random_values(n, n);
      values[at] = kNan;
      CHECK(std::isnan(maximum(values)));
      CHECK(argmax(values) == n);
      CHECK(std::isnan(log_sum_exp(values)));
    }
  }
}

TEST_CASE("log-sum-exp agrees with its definition in long double") {
  for (size_t n : lengths()) {
    const std::vector<float> values = random_values(n, 3 * n);
    CHECK(log_sum_exp(values) ==
          doctest::Approx(static_cast<double>(slow_log_sum_exp(values))).epsilon(1e-14));
  }
}

TEST_CASE("log-sum-exp neither overflows nor underflows") {
  CHECK(log_sum_exp(std::vector<float>(4, 3e38f)) == static_cast<double>(3e38f));
  CHECK(log_sum_exp(std::vector<float>(4, -1000.0f)) ==
        doctest::Approx(-1000.0 + std::log(4.0)).epsilon(1e-15));
}

TEST_CASE("log-sum-exp of infinities") {
  CHECK(log_sum_exp({}) == -INFINITY);
  CHECK(log_sum_exp(std::vector<float>(20, -kInf)) == -INFINITY);
  CHECK(log_sum_exp(std::vector<float>{1.0f, kInf, 2.0f}) == INFINITY);
  CHECK(log_sum_exp(std::vector<float>{-kInf, 0.0f, -kInf}) == 0.0);
}

TEST_CASE("log-softmax is the value less the log-sum-exp, rounded once") {
  const std::vector<float> values = random_values(1001, 5);
  std::vector<float> out(values.size());
  log_softmax(values, out);
  const double log_z = log_sum_exp(values);
  for (size_t i = 0; i < values.size(); ++i) {
    CHECK(out[i] == static_cast<float>(static_cast<double>(values[i]) - log_z));
  }
}

TEST_CASE("softmax weights follow exp((x - peak) / temperature) and sum to what is returned") {
  for (double temperature : {0.1, 0.7, 1.0, 3.0}) {
    for (size_t n : lengths()) {
      const std::vector<float> values = random_values(n, n + 1);
      const float peak = maximum(values);
      std::vector<double> weights(n, -1.0);
      const double sum = softmax_weights(values, peak, temperature, weights);
      long double total = 0;
      double worst = 0;
      for (size_t i = 0; i < n; ++i) {
        const double x = (static_cast<double>(values[i]) - static_cast<double>(peak)) / temperature;
        worst = std::max(worst, std::abs(weights[i] - std::exp(x)));
        total += static_cast<long double>(weights[i]);
      }
      CHECK(worst < 4e-16);
      CHECK(sum == doctest::Approx(static_cast<double>(total)).epsilon(1e-13));
    }
  }
}

TEST_CASE(
    "a weight is exp to the last bits over the whole range, 1 at the peak and 0 where nothing is left") {
  std::vector<float> values;
  for (int i = 0; i <= 7070; ++i) values.push_back(-0.1f * static_cast<float>(i));
  std::vector<double> weights(values.size());
  softmax_weights(values, 0.0f, 1.0, weights);
  double worst = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double expected = std::exp(static_cast<double>(values[i]));
    worst = std::max(worst, std::abs(weights[i] - expected) / expected);
  }
  CHECK(worst < 6e-16);
  CHECK(weights[0] == 1.0);
  std::vector<double> far(2);
  softmax_weights(std::vector<float>{0.0f, -710.0f}, 0.0f, 1.0, far);
  CHECK(far[1] == 0.0);
}

TEST_CASE("softmax weights of -inf are zero, also at the smallest temperature") {
  std::vector<double> weights(3);
  CHECK(softmax_weights(std::vector<float>{-kInf, 2.0f, 1.0f}, 2.0f, 1e-300, weights) == 1.0);
  CHECK(weights == std::vector<double>{0.0, 1.0, 0.0});
}

TEST_CASE("the k-th largest value is that of a full sort, for every k and with ties") {
  for (size_t n = 1; n <= 70; ++n) {
    const std::vector<float> values = random_values(n, 7 * n);
    std::vector<float> sorted = values;
    std::sort(sorted.begin(), sorted.end(), std::greater<float>());
    for (size_t k = 1; k <= n; ++k) {
      std::vector<float> scratch(kth_largest_scratch(n, k));
      CHECK(kth_largest(values, k, scratch) == sorted[k - 1]);
    }
  }
}

TEST_CASE("the k-th largest of a whole vocabulary, in any order and with -inf among it") {
  std::vector<float> values = random_values(262144, 11);
  std::mt19937_64 random(1);
  for (float& value : values) {
    if (random() % 3 == 0) value = -kInf;
  }
  std::vector<float> sorted = values;
  std::sort(sorted.begin(), sorted.end(), std::greater<float>());
  const std::vector<float> ascending(sorted.rbegin(), sorted.rend());
  for (size_t k : {1u, 2u, 64u, 1000u, 131071u, 131072u, 262143u, 262144u}) {
    std::vector<float> scratch(kth_largest_scratch(values.size(), k));
    CHECK(kth_largest(values, k, scratch) == sorted[k - 1]);
    CHECK(kth_largest(sorted, k, scratch) == sorted[k - 1]);
    CHECK(kth_largest(ascending, k, scratch) == sorted[k - 1]);
  }
}

TEST_CASE("the k-th largest of equal values, and of nothing but -inf") {
  std::vector<float> scratch(64);
  CHECK(kth_largest(std::vector<float>(100, 2.5f), 30, scratch) == 2.5f);
  CHECK(kth_largest(std::vector<float>(100, -kInf), 30, scratch) == -kInf);
}

TEST_CASE("the divergence of two distributions is its definition's, at every length") {
  for (size_t n : lengths()) {
    const std::vector<float> p = random_values(n, n), q = random_values(n, n + 1000);
    const long double log_z_p = slow_log_sum_exp(p), log_z_q = slow_log_sum_exp(q);
    long double expected = 0;
    for (size_t i = 0; i < n; ++i) {
      const long double log_p = p[i] - log_z_p, log_q = q[i] - log_z_q;
      expected += std::exp(log_p) * (log_p - log_q);
    }
    const double found = kl_divergence(p, log_sum_exp(p), q, log_sum_exp(q));
    CHECK(std::abs(static_cast<long double>(found) - expected) <= 1e-12L * (1 + expected));
    CHECK(kl_divergence(p, log_sum_exp(p), p, log_sum_exp(p)) == 0.0);
  }
}

TEST_CASE("a divergence skips what the first finds impossible and is infinite if only the second does") {
  const std::vector<float> all = {1, 2, 3}, part = {1, -kInf, 3};
  CHECK(kl_divergence(all, log_sum_exp(all), part, log_sum_exp(part)) ==
        std::numeric_limits<double>::infinity());
  CHECK(kl_divergence(part, log_sum_exp(part), part, log_sum_exp(part)) == 0.0);
  // p = (e, e^3) / (e + e^3); q has the middle besides: log of the ratio of their sums.
  CHECK(kl_divergence(part, log_sum_exp(part), all, log_sum_exp(all)) ==
        doctest::Approx(log_sum_exp(all) - log_sum_exp(part)));
}

TEST_CASE("the peaks of a row are the maxima of its blocks, and lead to the first of the largest values") {
  for (const size_t n : {size_t{1}, kPeakBlock, kPeakBlock + 1, 5 * kPeakBlock + 100}) {
    CAPTURE(n);
    std::vector<float> values = random_values(n, n);
    std::vector<float> peaks(peak_count(n));
    find_peaks(values, peaks);
    for (size_t block = 0; block < peaks.size(); ++block) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(block * kPeakBlock);
      const auto end = values.begin() + static_cast<std::ptrdiff_t>(std::min(n, (block + 1) * kPeakBlock));
      CHECK(peaks[block] == *std::max_element(begin, end));
    }
    CHECK(argmax(values, peaks) == argmax(values));
    values[n / 2] = kNan;
    find_peaks(values, peaks);
    CHECK(argmax(values, peaks) == n);
  }
}
