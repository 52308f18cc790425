#include "tools/report/layer_chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tools/report/chart_scale.h"
#include "tools/report/svg_canvas.h"

namespace gemma {
namespace {

constexpr double kWidth = 440, kHeight = 300;
constexpr double kLeft = 52, kRight = 14, kTop = 30, kBottom = 44;
constexpr size_t kDotsUpTo = 24;  // layers; beyond that a line alone is easier to see

void draw_line(SvgCanvas& svg, const LayerLine& line, const Scale& x, const Scale& y) {
  std::vector<std::pair<double, double>> stretch;
  const auto end_stretch = [&] {
    svg.path(stretch, fmt::format("line s{}", line.colour));
    stretch.clear();
  };
  for (size_t layer = 0; layer < line.values.size(); ++layer) {
    const double value = line.values[layer];
    if (!std::isfinite(value)) {
      end_stretch();
      continue;
    }
    stretch.emplace_back(x.at(static_cast<double>(layer)), y.at(value));
    if (line.values.size() > kDotsUpTo) continue;
    svg.circle(stretch.back().first, stretch.back().second, 3.5, fmt::format("f{}", line.colour),
               fmt::format("{}, layer {}: {}", line.label, layer, number_text(value)));
  }
  end_stretch();
}

}  // namespace

Markup layer_figure(const LayerChart& chart) {
  size_t layers = 0;
  std::vector<double> values;
  std::string description = chart.y_title + " by layer.";
  for (const LayerLine& line : chart.lines) {
    layers = std::max(layers, line.values.size());
    for (const double value : line.values) {
      if (value != 0) values.push_back(value);
    }
    if (line.values.empty()) continue;
    description += fmt::format(" {}: {} at the first layer, {} at the last.", line.label,
                               number_text(line.values.front()), number_text(line.values.back()));
  }
  if (layers == 0) return {};
  const std::vector<double> ends = {0, static_cast<double>(std::max<size_t>(layers, 2) - 1)};
  Scale x = choose_scale(ends, {}, kLeft + 8, kWidth - kRight - 8);
  x.low = ends[0];
  x.high = ends[1];
  const Scale y = choose_scale(values, {.zero = true, .log = true}, kHeight - kBottom - 6, kTop + 6);
  SvgCanvas svg(kWidth, kHeight, chart.title, description);
  for (const double tick : y.ticks(5)) {
    svg.line(kLeft, y.at(tick), kWidth - kRight, y.at(tick), "grid");
    svg.text(kLeft - 6, y.at(tick) + 4.5, tick_text(tick), "end", "quiet");
  }
  for (const double tick : x.ticks(8)) {
    if (tick != std::round(tick)) continue;
    svg.text(x.at(tick), kHeight - kBottom + 19, tick_text(tick), "middle", "quiet");
  }
  svg.line(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "axis");
  svg.text(0, 14, chart.y_title, "start", "axis-title");
  svg.text(kWidth - kRight, kHeight - 6, chart.x_title, "end", "axis-title");
  Markup legend;
  for (const LayerLine& line : chart.lines) {
    draw_line(svg, line, x, y);
    legend += markup("<li><i class=\"b{}\"></i>{}</li>", line.colour, line.label);
  }
  return markup("<figure><h3>{}</h3><ul class=\"legend\">{}</ul>{}<figcaption>{}{}</figcaption></figure>\n",
                chart.title, legend, svg.finish(), chart.caption,
                y.kind == ScaleKind::kLog ? " Logarithmic axis." : "");
}

}  // namespace gemma
