// From what went through a matrix to the static scale of its levels. docs/calibration.md says when to take
// which method.
#pragma once

#include <utility>

#include "engine/activation_histogram.h"

namespace gemma {

enum class CalibrationMethod {
  kAbsmax,      // nothing is clipped
  kPercentile,  // what lies beyond a percentile is clipped
  kMse,         // the clipping that loses least: the smallest mean squared error
};

struct CalibrationRule {
  CalibrationMethod method = CalibrationMethod::kAbsmax;
  double percentile = 99.9;  // of kPercentile: 0 < percentile <= 100
};

// kMse tries the largest magnitude times 2^(-i/8), i = 0..kClipSteps: to a thousandth of it.
inline constexpr int kClipSteps = 80;

// s of q = clamp(rint(x / s), -2^(bits-1), 2^(bits-1) - 1): the magnitude that is to survive over 2^(bits-1)
// - 1. 0 if nothing but zeros was seen. bits: 4 or 8. Of equal errors kMse takes the largest scale.
float static_scale(const ActivationHistogram& seen, const CalibrationRule& rule, int bits);

// Lowest and highest value that are to survive, for levels with a zero point (kernels::affine_grid). kMse
// shortens both ends by one ratio.
std::pair<float, float> static_range(const ActivationHistogram& seen, const CalibrationRule& rule, int bits);

// Mean squared error of values in the middles of their bins, rounded to levels of `scale`: what kMse makes
// small.
double static_error(const std::vector<ActivationHistogram::Bin>& bins, float scale, float zero, int bits);

}  // namespace gemma
