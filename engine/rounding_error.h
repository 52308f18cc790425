// What rounding weights costs: squared error against their own power, summed in float64.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace gemma {

struct RoundingError {
  double squared_error = 0;  // sum of (to - from)^2
  double squares = 0;        // sum of from^2

  void add(std::span<const float> from, std::span<const float> to) {
    for (size_t i = 0; i < from.size(); ++i) {
      const double error = static_cast<double>(from[i]) - to[i];
      squared_error += error * error;
      squares += static_cast<double>(from[i]) * from[i];
    }
  }
  void add(const RoundingError& other) {
    squared_error += other.squared_error;
    squares += other.squares;
  }
  double mean_squared_error(uint64_t elements) const {
    return elements == 0 ? 0 : squared_error / static_cast<double>(elements);
  }
  // 10 log10(power / error power), in dB; infinity where nothing was rounded.
  double snr_db() const {
    return squared_error == 0 ? std::numeric_limits<double>::infinity()
                              : 10 * std::log10(squares / squared_error);
  }
};

}  // namespace gemma
