#include "engine/evaluation/sample_mean.h"

#include <cmath>

namespace gemma {

SampleMean sample_mean(std::span<const double> values) {
  SampleMean result;
  if (values.empty()) return result;
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  for (double value : values) sum += value;
  result.value = sum / n;
  if (values.size() < 2) return result;
  double squares = 0;
  for (double value : values) squares += (value - result.value) * (value - result.value);
  result.standard_error = std::sqrt(squares / (n - 1) / n);
  return result;
}

}  // namespace gemma
