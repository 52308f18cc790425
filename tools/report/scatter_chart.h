// Variants as points in the plane: what one costs against what it loses. Less is better on the vertical axis;
// `right_is_better` tells about the other. The points that no other beats in both are joined by steps.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tools/report/markup.h"

namespace gemma {

struct ScatterPoint {
  std::string label;  // short: it stands beside the point
  std::string note;   // figures in words
  double x = std::numeric_limits<double>::quiet_NaN(), y = std::numeric_limits<double>::quiet_NaN();
  double y_low = y, y_high = y;  // interval; no number: none
  size_t colour = 0;             // 0 .. kColours - 1
  bool base = false;             // what the others are compared with: a ring
};

struct ScatterChart {
  std::string title, x_title, y_title;
  bool right_is_better = false;
  std::vector<ScatterPoint> points;
};

inline constexpr size_t kColours = 7;

// Nothing if no point has both figures. Labels stand beside the points where there is room; else numbers do,
// with the labels in a list below. Points without figures are named below.
Markup scatter_figure(const ScatterChart& chart);

}  // namespace gemma
