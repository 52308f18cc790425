// Are two variants of a model equally often right? McNemar's exact test on the items where they differ.
//
// Both answered the same items, so what both got right or both got wrong says nothing about their difference.
// If they were equally good, each of the other items would be a fair coin: the number that only one got right
// is binomial with p = 1/2. Far fewer items are needed than for two accuracies with intervals of their own.
//
// Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions",
// Psychometrika 12, 1947; the exact form is the sign test.
#pragma once

#include <cstddef>
#include <vector>

#include "loader/result.h"

namespace gemma {

struct PairedOutcomes {
  size_t both = 0, neither = 0;
  size_t first_only = 0, second_only = 0;  // the discordant ones
};

// Items in the same order. kInternal if there are not equally many.
Result<PairedOutcomes> pair_outcomes(const std::vector<bool>& first, const std::vector<bool>& second);

// Two-sided: min(1, 2 P(X <= min(a, b))) with X ~ Binomial(a + b, 1/2), a and b the discordant counts. 1 if
// there are none.
double mcnemar_p(size_t first_only, size_t second_only);

// How much more often the second is right: (second_only - first_only) / n, and where that lies at 95 %.
// Source: A. Agresti, Y. Min, "Simple improved confidence intervals for comparing matched proportions",
// Statistics in Medicine 24, 2005: the normal interval after half an item is added to each of the four
// counts. So no discordant items do not mean no doubt. Within -1 .. 1; without items 0, -1 .. 1.
struct PairedDifference {
  double value = 0, low = -1, high = 1;
};
PairedDifference paired_difference(const PairedOutcomes& outcomes);

}  // namespace gemma
