// Wilson's interval against its defining equation and closed forms.
#include "engine/evaluation/proportion.h"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>

namespace gemma {
namespace {

TEST_CASE("at both ends the value is z standard errors away") {
  for (size_t n : {1, 7, 100, 100000}) {
    for (size_t k = 0; k <= n; k += n / 7 + 1) {
      const Proportion found = wilson_interval(k, n);
      const double p = static_cast<double>(k) / static_cast<double>(n);
      for (double end : {found.low, found.high}) {
        const double error = std::sqrt(end * (1 - end) / static_cast<double>(n));
        CHECK(std::abs(std::abs(p - end) - kZ95 * error) < 1e-12);
      }
      CHECK(found.value == p);
      CHECK(found.low <= p);
      CHECK(found.high >= p);
    }
  }
}

TEST_CASE("nothing right gives z^2 / (n + z^2) as the upper end, all right its mirror image") {
  const double z2 = kZ95 * kZ95;
  CHECK(wilson_interval(0, 10).low == 0);
  CHECK(wilson_interval(0, 10).high == doctest::Approx(z2 / (10 + z2)).epsilon(1e-14));
  CHECK(wilson_interval(10, 10).high == 1);
  CHECK(wilson_interval(10, 10).low == doctest::Approx(10 / (10 + z2)).epsilon(1e-14));
}

TEST_CASE("a published example: 81 of 263") {
  // Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
  CHECK(wilson_interval(81, 263).low == doctest::Approx(0.2553).epsilon(2e-4));
  CHECK(wilson_interval(81, 263).high == doctest::Approx(0.3662).epsilon(2e-4));
}

TEST_CASE("no items say nothing") {
  CHECK(wilson_interval(0, 0).low == 0);
  CHECK(wilson_interval(0, 0).high == 1);
}

}  // namespace
}  // namespace gemma
