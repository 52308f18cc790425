// One row per variant over a common axis: an interval, marks, a distribution or stacked parts, with the name
// above and the figure in words at its right.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "tools/report/markup.h"

namespace gemma {

struct RowMark {
  double value = 0;
  bool small = false;  // of less weight: a short tick instead of a dot
  std::string note;
};

struct ChartRow {
  std::string label, figure;
  size_t colour = 0;
  std::vector<RowMark> marks;
  std::array<double, 2> interval = {0, 0};  // drawn if its ends are not equal
  std::vector<double> samples;              // drawn as a histogram
  std::vector<double> parts;                // stacked from 0 on, coloured by their place
};

struct RowChart {
  std::string title, axis_title, caption;
  bool log = false;   // the axis may be logarithmic (never with parts)
  bool zero = false;  // the axis begins at 0
  std::vector<std::string> part_names;
  std::vector<ChartRow> rows;
};

// Nothing without rows. At most kMostRows are drawn; the caption says so if there are more.
inline constexpr size_t kMostRows = 32;
Markup row_figure(const RowChart& chart);

}  // namespace gemma
