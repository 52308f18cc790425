// McNemar's exact test against closed forms and sums of binomial coefficients.
#include "engine/evaluation/mcnemar.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

namespace gemma {
namespace {

TEST_CASE("outcomes are paired item by item") {
  const Result<PairedOutcomes> pairs =
      pair_outcomes({true, true, false, false, true}, {true, false, true, false, false});
  REQUIRE(pairs);
  CHECK(pairs->both == 1);
  CHECK(pairs->first_only == 2);
  CHECK(pairs->second_only == 1);
  CHECK(pairs->neither == 1);
  CHECK(!pair_outcomes({true}, {true, false}));
}

TEST_CASE("if only one variant is ever right the p-value is 2 / 2^n") {
  for (size_t n : {1, 2, 5, 20, 60}) {
    CHECK(mcnemar_p(n, 0) == doctest::Approx(std::ldexp(2.0, -static_cast<int>(n))).epsilon(1e-12));
    CHECK(mcnemar_p(0, n) == mcnemar_p(n, 0));
  }
}

TEST_CASE("equal counts, and none at all, give 1") {
  CHECK(mcnemar_p(0, 0) == 1);
  CHECK(mcnemar_p(1, 1) == 1);
  CHECK(mcnemar_p(500, 500) == 1);
}

TEST_CASE("the p-value is twice the sum of the binomial's tail") {
  for (size_t n = 1; n <= 40; ++n) {
    for (size_t k = 0; 2 * k <= n; ++k) {
      double tail = 0, coefficient = 1;  // C(n, i), exact in a double up to n = 40
      for (size_t i = 0; i <= k; ++i) {
        tail += coefficient;
        coefficient = coefficient * static_cast<double>(n - i) / static_cast<double>(i + 1);
      }
      const double expected = std::min(1.0, 2 * std::ldexp(tail, -static_cast<int>(n)));
      CHECK(mcnemar_p(k, n - k) == doctest::Approx(expected).epsilon(1e-11));
    }
  }
}

TEST_CASE("thousands of discordant items neither underflow nor take long") {
  // The normal limit: 2 (1 - Phi((|a - b| - 1) / sqrt(a + b))).
  const double expected = std::erfc((10200.0 - 9800.0 - 1) / std::sqrt(20000.0) / std::sqrt(2.0));
  CHECK(mcnemar_p(10200, 9800) == doctest::Approx(expected).epsilon(1e-3));
  CHECK(mcnemar_p(5000000, 4000000) >= 0);
  CHECK(mcnemar_p(5000000, 4000000) < 1e-300);
}

TEST_CASE("the paired difference is that of the counts with half an item more in each") {
  // Of 100 items: (8.5 - 2.5) / 102 +- 1.96 sqrt(11 - 36 / 102) / 102
  const PairedDifference found = paired_difference({60, 30, 2, 8});
  CHECK(found.value == doctest::Approx(0.06));
  const double half = 1.959963984540054 * std::sqrt(11 - 36.0 / 102) / 102;
  CHECK(found.low == doctest::Approx(6.0 / 102 - half).epsilon(1e-12));
  CHECK(found.high == doctest::Approx(6.0 / 102 + half).epsilon(1e-12));
}

TEST_CASE("no discordant items leave doubt, more of it the fewer items there are") {
  const PairedDifference few = paired_difference({10, 0, 0, 0}), many = paired_difference({900, 100, 0, 0});
  CHECK(few.value == 0);
  CHECK(few.high == doctest::Approx(1.959963984540054 / 12).epsilon(1e-12));
  CHECK(many.high < 0.002);
  CHECK(paired_difference({}).low == -1);
  CHECK(paired_difference({0, 0, 3, 0}).low >= -1);
}

}  // namespace
}  // namespace gemma
