#include "tools/report/row_chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tools/report/chart_scale.h"
#include "tools/report/scatter_chart.h"
#include "tools/report/svg_canvas.h"

namespace gemma {
namespace {

constexpr double kWidth = 440, kLeft = 4, kRight = 14;
constexpr double kLabelHeight = 17, kBarHeight = 13, kHistogramHeight = 26, kGap = 11, kAxisHeight = 44;
constexpr double kLabelGap = 12;  // between name and figure
constexpr size_t kBins = 72;

struct Drawing {
  SvgCanvas& svg;
  const Scale& scale;
};

// How many samples fall into each of the axis's bins, as a share of the fullest.
std::vector<double> histogram(const std::vector<double>& samples, const Scale& scale) {
  std::vector<double> bins(kBins, 0);
  for (const double sample : samples) {
    if (!std::isfinite(sample)) continue;
    const double share = (scale.at(sample) - scale.from) / (scale.to - scale.from);
    bins[std::min(kBins - 1, static_cast<size_t>(share * kBins))] += 1;
  }
  const double most = *std::max_element(bins.begin(), bins.end());
  for (double& bin : bins) bin = most > 0 ? bin / most : 0;
  return bins;
}

void draw_samples(const Drawing& to, const ChartRow& row, double top, double height) {
  const std::vector<double> bins = histogram(row.samples, to.scale);
  const double width = (to.scale.to - to.scale.from) / kBins;
  for (size_t i = 0; i < kBins; ++i) {
    if (bins[i] == 0) continue;
    const double tall = std::max(1.5, bins[i] * height);
    to.svg.rectangle(to.scale.from + width * static_cast<double>(i), top + height - tall, width + 0.2, tall,
                     fmt::format("soft f{}", row.colour));
  }
  to.svg.line(to.scale.from, top + height, to.scale.to, top + height, "grid");
}

void draw_parts(const Drawing& to, const RowChart& chart, const ChartRow& row, double top) {
  double sum = 0;
  for (size_t i = 0; i < row.parts.size(); ++i) {
    const double part = row.parts[i];
    if (!(part > 0) || !std::isfinite(part)) continue;
    const double x = to.scale.at(sum);
    sum += part;
    to.svg.rectangle(x, top, to.scale.at(sum) - x, kBarHeight, fmt::format("part f{}", i % kColours),
                     i < chart.part_names.size() ? chart.part_names[i] + " " + number_text(part, 3) : "");
  }
}

void draw_row(const Drawing& to, const RowChart& chart, const ChartRow& row, double top) {
  const double figure_width = text_width(row.figure);
  to.svg.text(kLeft, top + 12, fit_text(row.label, kWidth - kLeft - kRight - figure_width - kLabelGap),
              "start", "name");
  to.svg.text(kWidth - kRight, top + 12, row.figure, "end", "quiet");
  top += kLabelHeight;
  const bool spread = !row.samples.empty();
  const double middle = top + (spread ? kHistogramHeight + 5 : kBarHeight / 2);
  if (spread) draw_samples(to, row, top, kHistogramHeight);
  if (!row.parts.empty()) draw_parts(to, chart, row, top);
  if (row.parts.empty() && !spread) to.svg.line(to.scale.from, middle, to.scale.to, middle, "grid");
  if (row.interval[0] != row.interval[1]) {
    to.svg.line(to.scale.at(row.interval[0]), middle, to.scale.at(row.interval[1]), middle,
                fmt::format("interval s{}", row.colour));
  }
  for (const RowMark& mark : row.marks) {
    if (!std::isfinite(mark.value)) continue;
    const double x = to.scale.at(mark.value);
    if (mark.small) {
      to.svg.rectangle(x - 1, middle - 4, 2, 8, fmt::format("f{}", row.colour), mark.note);
    } else {
      to.svg.circle(x, middle, 4.5, fmt::format("f{}", row.colour), mark.note);
    }
  }
}

double height_of(const ChartRow& row) {
  return kLabelHeight + (row.samples.empty() ? kBarHeight : kHistogramHeight + 10) + kGap;
}

// Everything that a row shows has a place on the axis.
void collect(const ChartRow& row, std::vector<double>& values) {
  for (const RowMark& mark : row.marks) values.push_back(mark.value);
  values.insert(values.end(), row.samples.begin(), row.samples.end());
  if (row.interval[0] != row.interval[1])
    values.insert(values.end(), row.interval.begin(), row.interval.end());
  double sum = 0;
  for (const double part : row.parts) sum += part > 0 && std::isfinite(part) ? part : 0;
  if (!row.parts.empty()) values.push_back(sum);
}

Markup legend(const RowChart& chart) {
  Markup items;
  for (size_t i = 0; i < chart.part_names.size(); ++i) {
    items += markup("<li><i class=\"b{}\"></i>{}</li>", i % kColours, chart.part_names[i]);
  }
  return items.empty() ? Markup{} : markup("<ul class=\"legend\">{}</ul>", items);
}

}  // namespace

Markup row_figure(const RowChart& chart) {
  const size_t count = std::min(chart.rows.size(), kMostRows);
  if (count == 0) return {};
  std::vector<double> values;
  double height = kAxisHeight;
  bool stacked = false;
  std::string description = chart.axis_title + ".";
  for (size_t i = 0; i < count; ++i) {
    const ChartRow& row = chart.rows[i];
    collect(row, values);
    height += height_of(row);
    stacked = stacked || !row.parts.empty();
    description += " " + row.label + ": " + row.figure + ".";
  }
  const Scale scale = choose_scale(values, {.zero = chart.zero || stacked, .log = chart.log && !stacked},
                                   kLeft + 6, kWidth - kRight);
  SvgCanvas svg(kWidth, height, chart.title, description);
  const double bottom = height - kAxisHeight;
  for (const double tick : scale.ticks(5)) {
    svg.line(scale.at(tick), 0, scale.at(tick), bottom + 4, "grid");
    const std::string text = tick_text(tick);
    const double half = text_width(text) / 2;
    svg.text(std::clamp(scale.at(tick), half, kWidth - half), bottom + 18, text, "middle", "quiet");
  }
  double top = 0;
  for (size_t i = 0; i < count; ++i) {
    draw_row({svg, scale}, chart, chart.rows[i], top);
    top += height_of(chart.rows[i]);
  }
  svg.text(kWidth - kRight, height - 6, chart.axis_title, "end", "axis-title");
  std::string caption = chart.caption;
  if (scale.kind == ScaleKind::kLog)
    caption += (caption.empty() ? "" : " ") + std::string("Logarithmic axis.");
  if (count < chart.rows.size()) {
    caption += fmt::format(" The first {} of {} are drawn; the table has all.", count, chart.rows.size());
  }
  return markup("<figure><h3>{}</h3>{}{}<figcaption>{}</figcaption></figure>\n", chart.title, legend(chart),
                svg.finish(), caption);
}

}  // namespace gemma
