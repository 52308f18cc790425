#include "engine/evaluation/mcnemar.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "engine/evaluation/proportion.h"

namespace gemma {

Result<PairedOutcomes> pair_outcomes(const std::vector<bool>& first, const std::vector<bool>& second) {
  if (first.size() != second.size()) {
    return fail(ErrorCode::kInternal, "paired test",
                fmt::format("{} outcomes against {}", first.size(), second.size()));
  }
  PairedOutcomes outcomes;
  for (size_t i = 0; i < first.size(); ++i) {
    size_t& count = first[i] ? (second[i] ? outcomes.both : outcomes.first_only)
                             : (second[i] ? outcomes.second_only : outcomes.neither);
    ++count;
  }
  return outcomes;
}

double mcnemar_p(size_t first_only, size_t second_only) {
  const size_t n = first_only + second_only, fewer = std::min(first_only, second_only);
  // Terms n! / (k! (n - k)!) / 2^n from k = fewer down, each k / (n - k + 1) of the one before; the first as
  // a logarithm, because 2^-n is 0 from n = 1075 on.
  const auto log_factorial = [](size_t k) { return std::lgamma(static_cast<double>(k) + 1); };
  const double log_first = log_factorial(n) - log_factorial(fewer) - log_factorial(n - fewer) -
                           static_cast<double>(n) * std::numbers::ln2;
  double sum = 0, term = 1;
  for (size_t k = fewer;; --k) {
    sum += term;
    if (k == 0 || term < sum * 1e-18) break;
    term *= static_cast<double>(k) / static_cast<double>(n - k + 1);
  }
  return std::min(1.0, 2 * std::exp(log_first) * sum);
}

PairedDifference paired_difference(const PairedOutcomes& outcomes) {
  const auto n =
      static_cast<double>(outcomes.both + outcomes.neither + outcomes.first_only + outcomes.second_only);
  if (n == 0) return {};
  const auto a = static_cast<double>(outcomes.first_only), b = static_cast<double>(outcomes.second_only);
  const double centre = (b - a) / (n + 2);
  const double half = kZ95 * std::sqrt((a + b + 1) - (b - a) * (b - a) / (n + 2)) / (n + 2);
  return {(b - a) / n, std::max(-1.0, centre - half), std::min(1.0, centre + half)};
}

}  // namespace gemma
