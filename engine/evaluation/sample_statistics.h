// What a measurement over tokens needs of statistics: mean and spread in one pass, the error of a mean whose
// samples come in clusters, and percentiles. All in float64.
#pragma once

#include <cstdint>
#include <vector>

namespace gemma {

// Mean and spread of samples that are seen once (Welford's update: no difference of large sums).
struct Moments {
  uint64_t count = 0;
  double sum = 0;      // of the samples in order: what a perplexity is the exponential of
  double mean = 0;     // updated sample by sample
  double squares = 0;  // sum of (sample - mean)^2

  void add(double sample);
  double average() const;         // sum / count; NaN of nothing
  double deviation() const;       // sample standard deviation (n - 1); 0 below two samples
  double standard_error() const;  // deviation / sqrt(count)
};

// The error of a mean over samples in clusters that are not independent inside (the tokens of a window): the
// ratio estimator sum of cluster sums / sum of cluster sizes, its variance from the residuals of whole
// clusters, n/(n-1) * sum (s - mean * m)^2 / (sum m)^2. Cochran, Sampling Techniques, 3rd ed., 1977, section
// 9A.
struct ClusterMoments {
  uint64_t clusters = 0;
  double sizes = 0, sums = 0;                  // of m and of s
  double sizes2 = 0, sums2 = 0, products = 0;  // of m^2, s^2 and m s

  void add(double size, double sum);
  double standard_error() const;  // 0 below two clusters
};

// The value below which `fraction` (0..1) of the samples lie, linear between neighbours: position
// fraction * (n - 1) of the sorted samples. NaN of nothing. Reorders `samples`.
double percentile(std::vector<float>& samples, double fraction);

}  // namespace gemma
