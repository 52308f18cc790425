#include "engine/evaluation/proportion.h"

#include <algorithm>
#include <cmath>

namespace gemma {

Proportion wilson_interval(size_t successes, size_t n, double z) {
  if (n == 0) return {0, 0, 1};
  const auto count = static_cast<double>(n);
  const double p = static_cast<double>(successes) / count;
  const double z2 = z * z / count;
  const double centre = p + z2 / 2;
  const double half = std::sqrt(z2 * (p * (1 - p) + z2 / 4));
  // At the ends the exact results are 0 and 1; rounding must not pass them.
  const double low = successes == 0 ? 0 : std::max(0.0, (centre - half) / (1 + z2));
  const double high = successes == n ? 1 : std::min(1.0, (centre + half) / (1 + z2));
  return {p, low, high};
}

}  // namespace gemma
