// Percentiles, moments and the bootstrap against values worked out by hand.
#include "tools/bench_statistics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace gemma;

TEST_CASE("percentiles lie linearly between the nearest ranks, as R's type 7") {
  const std::vector<double> five = {10, 20, 30, 40, 50};
  CHECK(percentile(five, 0) == 10);
  CHECK(percentile(five, 0.5) == 30);
  CHECK(percentile(five, 0.9) == doctest::Approx(46));     // position 3.6
  CHECK(percentile(five, 0.99) == doctest::Approx(49.6));  // position 3.96
  CHECK(percentile(five, 1) == 50);
  const std::vector<double> four = {1, 2, 3, 10};
  CHECK(percentile(four, 0.5) == 2.5);
  CHECK(percentile(std::vector<double>{7}, 0.99) == 7);
  CHECK(percentile({}, 0.5) == 0);
}

TEST_CASE(
    "the best way is the one with the greatest median, in the order of its rounds, not the best of each") {
  CHECK(best_column({{9, 5, 1}, {1, 6, 9}, {1, 4, 2}}) == std::vector<double>{5, 6, 4});
  CHECK(best_column({{3, 2}}) == std::vector<double>{3});
  CHECK(best_column({}).empty());
}

TEST_CASE("a summary does not depend on the order, and its deviation is that of a sample") {
  const Summary s = summarize({4, 1, 3, 2});
  CHECK(s.n == 4);
  CHECK(s.mean == 2.5);
  CHECK(s.stdev == doctest::Approx(std::sqrt(5.0 / 3)));
  CHECK(s.min == 1);
  CHECK(s.p50 == 2.5);
  CHECK(s.p90 == doctest::Approx(3.7));
  CHECK(s.p95 == doctest::Approx(3.85));
  CHECK(s.max == 4);
  CHECK(summarize({5}).stdev == 0);
  CHECK(summarize({}).n == 0);
}

TEST_CASE("the bootstrap is the same for the same seed and holds the ratio") {
  std::vector<double> a, b;
  for (int i = 0; i < 40; ++i) {
    a.push_back(1.0 + 0.01 * (i % 7));
    b.push_back(1.1 * (1.0 + 0.01 * (i % 7)));
  }
  const RatioEstimate once = ratio_of_medians(a, b, 3), again = ratio_of_medians(a, b, 3);
  CHECK(once.ratio == doctest::Approx(1.1));
  CHECK(once.low == again.low);
  CHECK(once.high == again.high);
  CHECK(once.low < once.ratio);
  CHECK(once.ratio < once.high);
  CHECK(once.low > 1.05);
  CHECK(once.high < 1.15);
}

TEST_CASE("equal constants give the ratio 1 without width; one run tells nothing of the spread") {
  const std::vector<double> same = {2, 2, 2};
  const RatioEstimate constant = ratio_of_medians(same, same, 1);
  CHECK(constant.low == 1);
  CHECK(constant.high == 1);
  const RatioEstimate single = ratio_of_medians(std::vector<double>{2}, same, 1);
  CHECK(single.ratio == 1);
  CHECK(single.low == 0);
  CHECK(std::isinf(single.high));
}
