// Lines over the layers of a model: how a difference grows from the first to the last, what each costs.
#pragma once

#include <string>
#include <vector>

#include "tools/report/markup.h"

namespace gemma {

struct LayerLine {
  std::string label;
  size_t colour = 0;
  std::vector<double> values;  // by layer; no number: a gap
};

struct LayerChart {
  std::string title, y_title, caption;
  std::vector<LayerLine> lines;
  std::string x_title = "after layer";
};

// Nothing without a value. Differences of 0 are drawn at the lower end where the axis is logarithmic.
Markup layer_figure(const LayerChart& chart);

}  // namespace gemma
