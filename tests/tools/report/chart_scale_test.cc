// Axes: every finite value has a finite place inside, whatever the values are.
#include "tools/report/chart_scale.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace gemma;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinite = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("a linear axis maps its ends to its ends and may run downwards") {
  const Scale scale = choose_scale(std::vector<double>{0, 10}, {.zero = true}, 100, 0);
  CHECK(scale.kind == ScaleKind::kLinear);
  CHECK(scale.at(0) == doctest::Approx(100));
  CHECK(scale.at(scale.high) == doctest::Approx(0));
  CHECK(scale.at(1e9) == doctest::Approx(0));  // beyond the end, at the end
}

TEST_CASE("a wide range is logarithmic only where that is wanted") {
  const std::vector<double> values = {1, 1000};
  CHECK(choose_scale(values, {.log = true}, 0, 1).kind == ScaleKind::kLog);
  CHECK(choose_scale(values, {}, 0, 1).kind == ScaleKind::kLinear);
  CHECK(choose_scale(std::vector<double>{0, 1000}, {.log = true}, 0, 1).kind == ScaleKind::kLinear);
  CHECK(choose_scale(std::vector<double>{100, 200}, {.log = true}, 0, 1).kind == ScaleKind::kLinear);
}

TEST_CASE("an outlier beside values around 0 gets a symmetric logarithm, with 0 on it") {
  const Scale scale =
      choose_scale(std::vector<double>{-0.1, 0, 1, 2, 2, 2000}, {.symmetric_log = true}, 0, 1);
  CHECK(scale.kind == ScaleKind::kSymmetricLog);
  CHECK(scale.at(2) > 0.05);  // still told apart from 0
  const std::vector<double> ticks = scale.ticks(5);
  CHECK(std::find(ticks.begin(), ticks.end(), 0.0) != ticks.end());
  CHECK(ticks.size() >= 3);
}

TEST_CASE("no values, one value, equal values and what is no number still make an axis") {
  const std::vector<std::vector<double>> cases = {{},
                                                  {0},
                                                  {5},
                                                  {-5},
                                                  {3, 3, 3},
                                                  {kNan},
                                                  {kInfinite, -kInfinite},
                                                  {kNan, 2},
                                                  {1e-320, 1},
                                                  {1e308, -1e308},
                                                  {std::numeric_limits<double>::denorm_min()},
                                                  {1e-300, 1e300},
                                                  {0, 1e-12, 1e300},
                                                  {1, std::nextafter(1.0, 2.0)}};
  for (const std::vector<double>& values : cases) {
    for (const ScaleWishes& wishes : {ScaleWishes{}, ScaleWishes{.zero = true, .log = true},
                                      ScaleWishes{.log = true}, ScaleWishes{.symmetric_log = true}}) {
      CAPTURE(values.size());
      const Scale scale = choose_scale(values, wishes, 10, 20);
      CHECK(std::isfinite(scale.low));
      CHECK(scale.high > scale.low);
      for (const double value : values) {
        if (!std::isfinite(value)) continue;
        CHECK(scale.at(value) >= 10 - 1e-6);
        CHECK(scale.at(value) <= 20 + 1e-6);
      }
      const std::vector<double> ticks = scale.ticks(5);
      CHECK(ticks.size() <= 16);
      for (const double tick : ticks) CHECK(std::isfinite(scale.at(tick)));
    }
  }
}

TEST_CASE("ticks are round and as many as asked for, about") {
  const Scale scale = choose_scale(std::vector<double>{0, 7.3}, {.zero = true}, 0, 1);
  const std::vector<double> ticks = scale.ticks(5);
  CHECK(ticks.front() == 0);
  CHECK(ticks.size() >= 4);
  CHECK(ticks.size() <= 9);
  for (const double tick : ticks) CHECK(tick == doctest::Approx(std::round(tick * 2) / 2));
}

TEST_CASE("numbers are as long as they must be") {
  CHECK(tick_text(0.005) == "0.005");
  CHECK(tick_text(1200) == "1200");
  CHECK(number_text(8.0790123) == "8.079");
  CHECK(number_text(0.000123456, 3) == "0.000123");
  CHECK(number_text(12345.6) == "12346");
  CHECK(number_text(0) == "0.0000");
  CHECK(number_text(kNan) == "not available");
  CHECK(number_text(kInfinite) == "infinite");
  CHECK(number_text(1e12, 3) == "1.00e+12");
}
