#include "engine/rope.h"

#include <cmath>

namespace gemma {

std::vector<double> rope_frequencies(const RopeConfig& rope, size_t head_dim) {
  const size_t pairs = head_dim / 2;
  const size_t rotated =
      rope.proportional ? static_cast<size_t>(rope.partial_rotary_factor * static_cast<double>(head_dim) / 2)
                        : pairs;
  std::vector<double> frequencies(pairs, 0.0);
  for (size_t j = 0; j < rotated && j < pairs; ++j) {
    const double exponent = -2.0 * static_cast<double>(j) / static_cast<double>(head_dim);
    frequencies[j] = std::pow(rope.theta, exponent) / rope.factor;
  }
  return frequencies;
}

void rope_angles(const std::vector<double>& frequencies, size_t position, float* cos, float* sin) {
  for (size_t j = 0; j < frequencies.size(); ++j) {
    const double angle = static_cast<double>(position) * frequencies[j];
    cos[j] = static_cast<float>(std::cos(angle));
    sin[j] = static_cast<float>(std::sin(angle));
  }
}

}  // namespace gemma
