// How sure a share of right answers is: Wilson's score interval.
//
//   Proportion accuracy = wilson_interval(83, 100);   // 0.83, 0.745 .. 0.891 at 95 %
#pragma once

#include <cstddef>

namespace gemma {

// 97.5 % of a normal distribution lie below it: two sides of 95 %.
inline constexpr double kZ95 = 1.959963984540054;

struct Proportion {
  double value = 0, low = 0, high = 0;  // 0 .. 1
};

// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22,
// 1927. The ends are the p at which |value - p| = z sqrt(p (1 - p) / n): unlike value +- z stderr they stay
// within 0 .. 1 and mean something when nothing or everything was right. Requires successes <= n; n = 0 gives
// 0 with the interval 0 .. 1.
Proportion wilson_interval(size_t successes, size_t n, double z = kZ95);

}  // namespace gemma
