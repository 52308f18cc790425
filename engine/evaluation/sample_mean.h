// The mean of a sample and how sure it is.
#pragma once

#include <span>

namespace gemma {

struct SampleMean {
  double value = 0;
  double standard_error = 0;  // sample standard deviation (n - 1) / sqrt(n); 0 for fewer than two values
};

// In float64, in order. 0 for no values.
SampleMean sample_mean(std::span<const double> values);

}  // namespace gemma
