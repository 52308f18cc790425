#include "engine/evaluation/sample_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gemma {

void Moments::add(double sample) {
  ++count;
  sum += sample;
  const double before = sample - mean;
  mean += before / static_cast<double>(count);
  squares += before * (sample - mean);
}

double Moments::average() const {
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
}

double Moments::deviation() const {
  return count < 2 ? 0.0 : std::sqrt(squares / static_cast<double>(count - 1));
}

double Moments::standard_error() const {
  return count < 2 ? 0.0 : deviation() / std::sqrt(static_cast<double>(count));
}

void ClusterMoments::add(double size, double sum) {
  ++clusters;
  sizes += size;
  sums += sum;
  sizes2 += size * size;
  sums2 += sum * sum;
  products += size * sum;
}

double ClusterMoments::standard_error() const {
  if (clusters < 2 || sizes == 0) return 0.0;
  const double mean = sums / sizes;
  // Rounding can take a sum of squares of nearly equal clusters below 0.
  const double residuals = std::max(0.0, sums2 - 2 * mean * products + mean * mean * sizes2);
  const double n = static_cast<double>(clusters);
  return std::sqrt(n / (n - 1) * residuals) / sizes;
}

double percentile(std::vector<float>& samples, double fraction) {
  if (samples.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double position = std::clamp(fraction, 0.0, 1.0) * static_cast<double>(samples.size() - 1);
  const size_t below = static_cast<size_t>(position);
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(samples.begin(), at, samples.end());
  const double low = static_cast<double>(*at);
  const double part = position - static_cast<double>(below);
  if (part == 0) return low;
  return low + part * (static_cast<double>(*std::min_element(at + 1, samples.end())) - low);
}

}  // namespace gemma
