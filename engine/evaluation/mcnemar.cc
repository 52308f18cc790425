#include "engine/evaluation/mcnemar.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

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

}  // namespace gemma
