#include "engine/static_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/affine.h"

namespace gemma {
namespace {

// The step of 0..kClipSteps whose grid (made by grid(ratio)) loses least.
template <typename Grid>
float best_ratio(const ActivationHistogram& seen, int bits, const Grid& grid) {
  const std::vector<ActivationHistogram::Bin> bins = seen.bins();
  double least = std::numeric_limits<double>::infinity();
  float best = 1;
  for (int step = 0; step <= kClipSteps; ++step) {
    const float ratio = std::exp2(-static_cast<float>(step) / 8);
    const kernels::AffineGrid made = grid(ratio);
    if (made.scale == 0) break;
    const double error = static_error(bins, made.scale, made.zero, bits);
    if (error < least) {
      least = error;
      best = ratio;
    }
  }
  return best;
}

}  // namespace

double static_error(const std::vector<ActivationHistogram::Bin>& bins, float scale, float zero, int bits) {
  double sum = 0;
  uint64_t count = 0;
  const double highest = kernels::highest_level(bits), step = scale;
  for (const ActivationHistogram::Bin& bin : bins) {
    const double level = std::clamp(std::nearbyint(bin.value / step) + zero, 0.0, highest);
    const double off = bin.value - step * (level - zero);
    sum += off * off * static_cast<double>(bin.count);
    count += bin.count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

float static_scale(const ActivationHistogram& seen, const CalibrationRule& rule, int bits) {
  const float half = static_cast<float>(1 << (bits - 1));
  const float absmax = seen.absmax();
  switch (rule.method) {
    case CalibrationMethod::kAbsmax:
      return absmax / (half - 1);
    case CalibrationMethod::kPercentile:
      return seen.magnitude_percentile(rule.percentile) / (half - 1);
    case CalibrationMethod::kMse:
      break;
  }
  const float best = best_ratio(seen, bits, [&](float ratio) {
    return kernels::AffineGrid{absmax * ratio / (half - 1), half};
  });
  return absmax * best / (half - 1);
}

std::pair<float, float> static_range(const ActivationHistogram& seen, const CalibrationRule& rule, int bits) {
  const float lowest = seen.lowest(), highest = seen.highest();
  switch (rule.method) {
    case CalibrationMethod::kAbsmax:
      return {lowest, highest};
    case CalibrationMethod::kPercentile:
      return seen.range_percentile(rule.percentile);
    case CalibrationMethod::kMse:
      break;
  }
  const float best = best_ratio(
      seen, bits, [&](float ratio) { return kernels::affine_grid(lowest * ratio, highest * ratio, bits); });
  return {lowest * best, highest * best};
}

}  // namespace gemma
