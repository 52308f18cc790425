#include "engine/logits_filter.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace gemma;

namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();

using Row = std::vector<float>;

SamplingOptions options_of(double temperature, int64_t top_k, double top_p, double min_p) {
  SamplingOptions options;
  options.do_sample = true;
  options.temperature = temperature;
  options.top_k = top_k;
  options.top_p = top_p;
  options.min_p = min_p;
  return options;
}

std::map<int32_t, double> chosen(CandidateFilter& filter, const Row& row, const SamplingOptions& options,
                                 size_t min_keep = 1) {
  filter.choose(row, options, min_keep);
  std::map<int32_t, double> result;
  for (size_t i = 0; i < filter.ids().size(); ++i) {
    result[filter.ids()[i]] = filter.weights()[i] / filter.total();
  }
  return result;
}

std::map<int32_t, double> chosen(const Row& row, const SamplingOptions& options, size_t min_keep = 1) {
  CandidateFilter filter;
  return chosen(filter, row, options, min_keep);
}

std::vector<int32_t> ids(const std::map<int32_t, double>& candidates) {
  std::vector<int32_t> result;
  for (const auto& [id, probability] : candidates) result.push_back(id);
  return result;
}

// Every stage over the whole row, with a full sort: the definition.
std::map<int32_t, double> slowly_chosen(const Row& row, const SamplingOptions& o, size_t min_keep) {
  std::vector<size_t> order(row.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return row[a] > row[b]; });
  std::vector<double> x(row.begin(), row.end());
  for (double& value : x) value /= o.temperature;
  const auto softmax = [&] {
    const double peak = x[order[0]];
    double sum = 0;
    std::vector<double> p;
    for (double value : x) p.push_back(std::exp(value - peak));
    for (double value : p) sum += value;
    for (double& value : p) value /= sum;
    return p;
  };
  if (o.top_k > 0) {
    const size_t k = std::min(row.size(), std::max(static_cast<size_t>(o.top_k), min_keep));
    const double kth = x[order[k - 1]];
    for (double& value : x) value = value < kth ? -INFINITY : value;
  }
  if (o.top_p < 1.0) {
    const std::vector<double> p = softmax();
    double before = 0;
    for (size_t rank = 0; rank < order.size(); ++rank) {
      if (rank >= min_keep && before >= o.top_p) x[order[rank]] = -INFINITY;
      before += p[order[rank]];
    }
  }
  const std::vector<double> p = softmax();
  for (size_t rank = min_keep; rank < order.size(); ++rank) {
    if (p[order[rank]] < o.min_p * p[order[0]]) x[order[rank]] = -INFINITY;
  }
  std::map<int32_t, double> result;
  const std::vector<double> last = softmax();
  for (size_t id = 0; id < row.size(); ++id) {
    if (x[id] > -INFINITY) result[static_cast<int32_t>(id)] = last[id];
  }
  return result;
}

float log_of(double probability) {
  return static_cast<float>(std::log(probability));
}

}  // namespace

TEST_CASE("without a filter every possible id is a candidate with its softmax") {
  const auto result = chosen({log_of(0.5), kOut, log_of(0.3), log_of(0.2)}, options_of(1, 0, 1, 0));
  CHECK(ids(result) == std::vector<int32_t>{0, 2, 3});
  CHECK(result.at(0) == doctest::Approx(0.5).epsilon(1e-6));
  CHECK(result.at(3) == doctest::Approx(0.2).epsilon(1e-6));
}

TEST_CASE("the temperature divides the scores") {
  const auto result = chosen({0.0f, 1.0f}, options_of(0.5, 0, 1, 0));
  CHECK(result.at(1) == doctest::Approx(1.0 / (1.0 + std::exp(-2.0))).epsilon(1e-14));
}

TEST_CASE("the smallest and the largest temperature are still a distribution") {
  CHECK(chosen({3.0f, 4.0f}, options_of(5e-324, 0, 1, 0)).at(1) == 1.0);
  CHECK(chosen({3.0f, 4.0f}, options_of(1e308, 0, 1, 0)).at(1) == 0.5);
}

TEST_CASE("top-k keeps all that equal the k-th") {
  CHECK(ids(chosen({1, 3, 2, 2, 0}, options_of(1, 2, 1, 0))) == std::vector<int32_t>{1, 2, 3});
  CHECK(ids(chosen({1, 3, 2, 2, 0}, options_of(1, 1, 1, 0))) == std::vector<int32_t>{1});
  CHECK(ids(chosen({1, 3, 2, 2, 0}, options_of(1, 99, 1, 0))).size() == 5);
}

TEST_CASE("top-k never brings in what is impossible") {
  CHECK(ids(chosen({kOut, 3, kOut, kOut}, options_of(1, 2, 1, 0))) == std::vector<int32_t>{1});
}

TEST_CASE("top-p keeps the id that reaches the sum, and none beyond it") {
  const Row row{log_of(0.1), log_of(0.5), log_of(0.15), log_of(0.25)};
  CHECK(ids(chosen(row, options_of(1, 0, 0.45, 0))) == std::vector<int32_t>{1});
  CHECK(ids(chosen(row, options_of(1, 0, 0.55, 0))) == std::vector<int32_t>{1, 3});
  CHECK(ids(chosen(row, options_of(1, 0, 0.95, 0))) == std::vector<int32_t>{0, 1, 2, 3});
}

TEST_CASE("top-p 0 keeps one, the lowest id of equal ones") {
  CHECK(ids(chosen({1, 2, 2}, options_of(1, 0, 0, 0))) == std::vector<int32_t>{1});
}

TEST_CASE("min-p is relative to the most probable") {
  const Row row{log_of(0.5), log_of(0.3), log_of(0.15), log_of(0.05)};
  CHECK(ids(chosen(row, options_of(1, 0, 1, 0.25))) == std::vector<int32_t>{0, 1, 2});
  CHECK(ids(chosen(row, options_of(1, 0, 1, 0.35))) == std::vector<int32_t>{0, 1});
  CHECK(ids(chosen(row, options_of(1, 0, 1, 1.0))) == std::vector<int32_t>{0});
}

TEST_CASE("order: the temperature comes before top-p and min-p") {
  const Row row{log_of(0.6), log_of(0.3), log_of(0.1)};  // at 1/2: 36 : 9 : 1
  CHECK(ids(chosen(row, options_of(0.5, 0, 0.75, 0))) == std::vector<int32_t>{0});
  CHECK(ids(chosen(row, options_of(1.0, 0, 0.75, 0))) == std::vector<int32_t>{0, 1});
  CHECK(ids(chosen(row, options_of(0.5, 0, 1, 0.3))) == std::vector<int32_t>{0});
}

TEST_CASE("order: top-p works on what top-k has left") {
  // Of all: 0.4 < 0.5 takes two ids. Of the two that top-k leaves, the first has 0.4 / 0.7 = 0.57: enough.
  const Row row{log_of(0.4), log_of(0.3), log_of(0.2), log_of(0.1)};
  CHECK(ids(chosen(row, options_of(1, 0, 0.5, 0))) == std::vector<int32_t>{0, 1});
  CHECK(ids(chosen(row, options_of(1, 2, 0.5, 0))) == std::vector<int32_t>{0});
}

TEST_CASE("each filter keeps min_keep ids") {
  const Row row{0, 4, 1, 3, 2};
  CHECK(ids(chosen(row, options_of(1, 1, 1, 0), 3)) == std::vector<int32_t>{1, 3, 4});
  CHECK(ids(chosen(row, options_of(1, 0, 0, 0), 3)) == std::vector<int32_t>{1, 3, 4});
  CHECK(ids(chosen(row, options_of(1, 0, 1, 1), 3)) == std::vector<int32_t>{1, 3, 4});
  CHECK(ids(chosen(row, options_of(1, 1, 0, 1), 99)).size() == 5);
}

TEST_CASE("all combinations agree with the definitions, over random rows with one filter's buffers") {
  std::mt19937_64 random(6);
  CandidateFilter filter;
  for (int round = 0; round < 3000; ++round) {
    const size_t n = 1 + random() % (round % 10 == 0 ? 2000 : 30);
    Row row(n);
    for (float& value : row) value = static_cast<float>(random() % 257) / 32.0f;
    for (float& value : row) value = random() % 5 == 0 ? kOut : value;
    row[random() % n] = 1.0f;
    // 0.43 and the like: sums of probabilities never equal them, whatever the order of additions.
    const auto pick = [&](std::initializer_list<double> of) { return of.begin()[random() % of.size()]; };
    const SamplingOptions options =
        options_of(pick({0.31, 1.0, 2.7}), static_cast<int64_t>(pick({0, 1, 5, 64})),
                   pick({1.0, 0.43, 0.917, 0.031}), pick({0.0, 0.0507, 0.3307}));
    const size_t min_keep = 1 + (random() % 4 == 0 ? random() % 3 : 0);
    const auto expected = slowly_chosen(row, options, min_keep);
    const auto result = chosen(filter, row, options, min_keep);
    if (min_keep == 1) {
      REQUIRE(ids(result) == ids(expected));
      for (const auto& [id, probability] : expected) {
        REQUIRE(result.at(id) == doctest::Approx(probability).epsilon(1e-12));
      }
    } else {  // min-p keeps all that equal the last kept, the definition the lowest ids of them
      REQUIRE(result.size() >= expected.size());
      for (const auto& [id, probability] : expected) REQUIRE(result.count(id) == 1);
    }
  }
}
