// From values to places along an axis: linear, logarithmic, or linear around 0 and logarithmic beyond
// (asinh), whichever shows the values best; and the round numbers to write beside it.
//
//   const Scale scale = choose_scale(values, {.zero = true}, left, right);
//   x = scale.at(value);
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gemma {

enum class ScaleKind { kLinear, kLog, kSymmetricLog };

struct ScaleWishes {
  bool zero = false;           // 0 belongs to the axis: lengths are compared
  bool log = false;            // a logarithm may be taken if the values span a decade or so
  bool symmetric_log = false;  // likewise where values may be 0 or below
};

// Finite always, high above low; what is infinite or no number has no place.
struct Scale {
  ScaleKind kind = ScaleKind::kLinear;
  double low = 0, high = 1;
  double from = 0, to = 1;  // places of low and high; from may be the larger
  double linear_below = 1;  // kSymmetricLog: about linear for magnitudes below

  // Values beyond the ends are put at the ends.
  double at(double value) const;
  // Round values from low to high, `about` of them (2 to twice as many).
  std::vector<double> ticks(size_t about) const;
};

// Values that are not finite are left out; without any the axis goes from 0 to 1. Equal values get room
// around them.
Scale choose_scale(std::span<const double> values, const ScaleWishes& wishes, double from, double to);

// "0.0025", "1.5", "1200", "3e+09": up to three digits that count, or all of a whole number.
std::string tick_text(double value);
// The same with `digits` that count; "not available" in words for no number.
std::string number_text(double value, int digits = 4);

}  // namespace gemma
