#include "tools/bench_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "engine/evaluation/sample_mean.h"

namespace gemma {
namespace {

double median_of(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  return percentile(values, 0.5);
}

// The median of a sample of the same size, drawn with replacement.
double resampled_median(std::span<const double> values, std::mt19937_64& random, std::vector<double>& drawn) {
  drawn.resize(values.size());
  for (double& value : drawn) value = values[random() % values.size()];  // bias below 1e-15
  return median_of(drawn);
}

}  // namespace

double percentile(std::span<const double> sorted, double q) {
  if (sorted.empty()) return 0;
  const double position = q * static_cast<double>(sorted.size() - 1);
  const size_t below = std::min(static_cast<size_t>(position), sorted.size() - 1);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Summary summarize(std::vector<double> values) {
  Summary summary;
  summary.n = values.size();
  if (values.empty()) return summary;
  const SampleMean mean = sample_mean(values);
  summary.mean = mean.value;
  summary.stdev = mean.standard_error * std::sqrt(static_cast<double>(values.size()));
  std::sort(values.begin(), values.end());
  summary.min = values.front();
  summary.p50 = percentile(values, 0.50);
  summary.p90 = percentile(values, 0.90);
  summary.p95 = percentile(values, 0.95);
  summary.p99 = percentile(values, 0.99);
  summary.max = values.back();
  return summary;
}

std::vector<double> best_column(const std::vector<std::vector<double>>& rows) {
  std::vector<double> best;
  for (size_t column = 0; !rows.empty() && column < rows[0].size(); ++column) {
    std::vector<double> values;
    for (const std::vector<double>& row : rows) values.push_back(row[column]);
    if (best.empty() || summarize(values).p50 > summarize(best).p50) best = std::move(values);
  }
  return best;
}

RatioEstimate ratio_of_medians(std::span<const double> a, std::span<const double> b, uint64_t seed) {
  RatioEstimate estimate{0, 0, std::numeric_limits<double>::infinity()};
  if (a.empty() || b.empty()) return estimate;
  std::vector<double> drawn_a(a.begin(), a.end()), drawn_b(b.begin(), b.end());
  estimate.ratio = median_of(drawn_b) / median_of(drawn_a);
  if (a.size() < 2 || b.size() < 2) return estimate;
  std::mt19937_64 random(seed);
  std::vector<double> ratios(kResamples);
  for (double& ratio : ratios) {
    const double median_a = resampled_median(a, random, drawn_a);
    ratio = resampled_median(b, random, drawn_b) / median_a;
  }
  std::sort(ratios.begin(), ratios.end());
  estimate.low = percentile(ratios, 0.025);
  estimate.high = percentile(ratios, 0.975);
  return estimate;
}

}  // namespace gemma
