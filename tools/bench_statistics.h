// What a row of measurements says: its distribution, and how sure a ratio of two medians is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gemma {

struct Summary {
  size_t n = 0;
  double mean = 0;
  double stdev = 0;  // of a sample (n - 1); 0 for fewer than two values
  double min = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
};

// The value at a share q in [0, 1] of the sorted values: linear between the two nearest ranks, position
// q * (n - 1) (type 7 of Hyndman and Fan, 1996: the default of R and NumPy). 0 for no values.
double percentile(std::span<const double> sorted, double q);

Summary summarize(std::vector<double> values);

// Of rows of as many values, the column with the greatest median: the best of several ways that were tried in
// every round. The best of each round would be a value that no way reaches.
std::vector<double> best_column(const std::vector<std::vector<double>>& rows);

struct RatioEstimate {
  double ratio = 0;          // median of b / median of a
  double low = 0, high = 0;  // 95 % confidence
};

// Percentile bootstrap: both samples are drawn again, with replacement, kResamples times; the interval holds
// the middle 95 % of the ratios. The same seed gives the same interval. Needs values above 0; with fewer than
// two on a side the interval is unknown and spans from 0 to infinity.
inline constexpr size_t kResamples = 4000;
RatioEstimate ratio_of_medians(std::span<const double> a, std::span<const double> b, uint64_t seed);

}  // namespace gemma
