// Charts of one variant, of many, of figures that are missing, equal or no numbers: always drawings, never
// "nan".
#include <doctest/doctest.h>

#include <limits>

#include <fmt/format.h>

#include "tests/tools/program.h"
#include "tests/tools/report/well_formed.h"
#include "tools/report/layer_chart.h"
#include "tools/report/row_chart.h"
#include "tools/report/scatter_chart.h"
#include "tools/report/svg_canvas.h"

using namespace gemma;
using gemma::tests::contains;
using gemma::tests::fault_of;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinite = std::numeric_limits<double>::infinity();

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

// All places of a drawing are numbers.
void check_drawing(const Markup& figure) {
  CHECK(fault_of(figure.html) == "");
  for (const char* bad : {"\"nan", "\"-nan", "\"inf", "\"-inf", "Mnan", "Lnan"}) {
    CAPTURE(bad);
    CHECK(!contains(figure.html, bad));
  }
}

ScatterChart scatter(size_t points) {
  ScatterChart chart{"title", "MB", "%", false, {}};
  for (size_t i = 0; i < points; ++i) {
    ScatterPoint point;
    point.label = fmt::format("v{}", i);
    point.x = 1 + static_cast<double>(i);
    point.y = 10 - static_cast<double>(i);
    chart.points.push_back(point);
  }
  return chart;
}

}  // namespace

TEST_CASE("a scatter of one point, of a few, and of many shows each of them") {
  for (const size_t n : {1u, 5u, 20u}) {
    CAPTURE(n);
    const Markup figure = scatter_figure(scatter(n));
    check_drawing(figure);
    CHECK(count(figure.html, "<circle") == n);
    CHECK(contains(figure.html, "<ol") == (n == 20));  // many points have numbers and a key
    CHECK(contains(figure.html, ">v0<"));
  }
}

TEST_CASE("points without a figure are named, not drawn, and none at all make no chart") {
  ScatterChart chart = scatter(3);
  chart.points[1].x = kNan;
  chart.points[2].y = kInfinite;
  const Markup figure = scatter_figure(chart);
  check_drawing(figure);
  CHECK(count(figure.html, "<circle") == 1);
  CHECK(contains(figure.html, "for want of a figure: v1, v2"));
  chart.points[0].x = kNan;
  CHECK(scatter_figure(chart).empty());
}

TEST_CASE("points in one place and points far apart are drawings too") {
  ScatterChart chart = scatter(6);
  for (ScatterPoint& point : chart.points) {
    point.x = point.y = 2;
    point.label = "a long name of a variant";
  }
  check_drawing(scatter_figure(chart));
  CHECK(contains(scatter_figure(chart).html, "<ol"));  // no room for six names in one place
  chart.points[0].y = 1e300;
  chart.points[1].y = -1e-300;
  chart.points[2].x = 1e-300;
  check_drawing(scatter_figure(chart));
}

TEST_CASE("rows of intervals, histograms and stacks survive what is no number") {
  RowChart chart{"t", "ms", "", true, false, {}, {}};
  CHECK(row_figure(chart).empty());
  ChartRow row;
  row.label = "a <very> long name " + std::string(200, 'x');
  row.figure = "1";
  row.samples = {1, kNan, 100, kInfinite, 0.5};
  row.marks = {{kNan, false, ""}, {1, true, "one"}};
  row.interval = {0.5, kInfinite};
  chart.rows.assign(40, row);
  const Markup figure = row_figure(chart);
  check_drawing(figure);
  CHECK(contains(figure.html, "first 32 of 40"));
  CHECK(contains(figure.html, "a &lt;very&gt; long"));
  ChartRow stack;
  stack.parts = {1, kNan, -3, 0, 2};
  chart.part_names = {"one", "two"};
  chart.rows = {stack};
  check_drawing(row_figure(chart));
  CHECK(count(row_figure(chart).html, "class=\"part") == 2);
}

TEST_CASE("lines over layers have gaps where a value is missing, and 0 has a place") {
  LayerChart chart{"t", "L2", "", {{"a", 0, {0, 1e-6, kNan, 1e-2}}, {"b", 1, {}}}};
  const Markup figure = layer_figure(chart);
  check_drawing(figure);
  CHECK(count(figure.html, "<path") == 2);
  CHECK(count(figure.html, "<circle") == 3);
  check_drawing(layer_figure({"t", "L2", "", {{"a", 0, {0, 0, 0}}}}));
  check_drawing(layer_figure({"t", "L2", "", {{"a", 0, {0.5}}}}));
  CHECK(layer_figure({"t", "L2", "", {}}).empty());
}

TEST_CASE("a drawing tells what it is to those who cannot see it, and cuts texts between characters") {
  SvgCanvas svg(10, 10, "a title", "what <is> seen");
  const Markup drawing = svg.finish();
  CHECK(contains(drawing.html, "role=\"img\""));
  CHECK(contains(drawing.html, "<title>a title</title><desc>what &lt;is&gt; seen</desc>"));
  CHECK(fit_text("short", 100) == "short");
  const std::string cut = fit_text("ééééééééééééééééééé", 60);
  CHECK(cut.ends_with("é…"));
  CHECK(text_width(cut) <= 60);
}
