#include "tools/report/scatter_chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "tools/report/chart_scale.h"
#include "tools/report/svg_canvas.h"

namespace gemma {
namespace {

constexpr double kWidth = 440, kHeight = 340;
constexpr double kLeft = 46, kRight = 14, kTop = 34, kBottom = 46;
constexpr double kRadius = 5, kRingRadius = 7.5;
constexpr size_t kMostLabels = 12;  // with more, numbers stand beside the points
constexpr double kCrowded = 45;  // cost of a label's place, mostly its distance: beyond it, numbers as well
constexpr size_t kMostPoints = 99;  // the table has them all

struct Box {
  double x1, y1, x2, y2;
  double overlap(const Box& other) const {
    const double width = std::min(x2, other.x2) - std::max(x1, other.x1);
    const double height = std::min(y2, other.y2) - std::max(y1, other.y1);
    return width > 0 && height > 0 ? width * height : 0;
  }
};

struct Placed {
  const ScatterPoint* point;
  std::string label;
  double x, y;
};

// Where a label goes: the nearest of a few directions and distances that covers least of what is there.
class LabelPlaces {
 public:
  explicit LabelPlaces(const std::vector<Placed>& points) {
    for (const Placed& one : points) {
      const double r = kRadius + 2;
      taken_.push_back({one.x - r, one.y - r, one.x + r, one.y + r});
    }
  }

  struct Place {
    Box box;
    double cost;
  };
  Place place(const Placed& one) {
    constexpr std::array<std::array<double, 2>, 8> kDirections = {
        {{1, 0}, {-1, 0}, {0, -1}, {0, 1}, {1, -1}, {1, 1}, {-1, -1}, {-1, 1}}};
    constexpr double kHalfHeight = 8;
    const double width = text_width(one.label);
    Box best{};
    double least = std::numeric_limits<double>::infinity();
    for (const double distance : {9.0, 16.0, 26.0, 40.0, 58.0, 80.0}) {
      for (const auto& [dx, dy] : kDirections) {
        const double x = one.x + dx * distance, y = one.y + dy * (distance + (dx == 0 ? 4 : 0));
        const double left = dx > 0 ? x : dx < 0 ? x - width : x - width / 2;
        const Box box = {left, y - kHalfHeight, left + width, y + kHalfHeight};
        const double cost = badness(box) + distance;
        if (cost < least) {
          least = cost;
          best = box;
        }
      }
    }
    taken_.push_back(best);
    return {best, least};
  }

 private:
  // Square units that are covered, weighed; a label outside the drawing is worse than any overlap.
  double badness(const Box& box) const {
    double cost = 0;
    for (const Box& other : taken_) cost += 4 * box.overlap(other);
    const double outside = std::max(0.0, 2 - box.x1) + std::max(0.0, box.x2 - (kWidth - 2)) +
                           std::max(0.0, kTop - 4 - box.y1) + std::max(0.0, box.y2 - (kHeight - kBottom + 2));
    return cost + 1000 * outside;
  }
  std::vector<Box> taken_;
};

// A place for each label, in order; whether all of them found one that is near and free.
bool place_labels(const std::vector<Placed>& points, std::vector<Box>& boxes) {
  LabelPlaces places(points);
  boxes.clear();
  bool good = true;
  for (const Placed& one : points) {
    const LabelPlaces::Place place = places.place(one);
    boxes.push_back(place.box);
    good = good && place.cost < kCrowded;
  }
  return good;
}

void draw_axes(SvgCanvas& svg, const ScatterChart& chart, const Scale& x, const Scale& y) {
  for (const double tick : y.ticks(5)) {
    svg.line(kLeft, y.at(tick), kWidth - kRight, y.at(tick), tick == 0 ? "axis" : "grid");
    svg.text(kLeft - 6, y.at(tick) + 4.5, tick_text(tick), "end", "quiet");
  }
  for (const double tick : x.ticks(5)) {
    svg.line(x.at(tick), kHeight - kBottom, x.at(tick), kHeight - kBottom + 5, "axis");
    svg.text(x.at(tick), kHeight - kBottom + 19, tick_text(tick), "middle", "quiet");
  }
  svg.line(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "axis");
  svg.text(0, 14, chart.y_title, "start", "axis-title");
  svg.text(kWidth - kRight, kHeight - 6, chart.x_title, "end", "axis-title");
  svg.text(chart.right_is_better ? kWidth - kRight : kLeft, kHeight - 6,
           chart.right_is_better ? "" : "↙ better", "start", "better");
  if (chart.right_is_better) svg.text(kLeft, kHeight - 6, "↘ better", "start", "better");
}

// Steps along the points that no other beats in both figures.
void draw_frontier(SvgCanvas& svg, std::vector<Placed> points, bool right_is_better) {
  std::sort(points.begin(), points.end(), [&](const Placed& a, const Placed& b) {
    if (a.x != b.x) return right_is_better ? a.x > b.x : a.x < b.x;
    return a.y > b.y;  // lower on the page is better
  });
  std::vector<std::pair<double, double>> steps;
  for (const Placed& one : points) {
    if (!steps.empty() && one.y <= steps.back().second) continue;
    if (!steps.empty()) steps.emplace_back(one.x, steps.back().second);
    steps.emplace_back(one.x, one.y);
  }
  if (steps.size() > 1) svg.path(steps, "frontier");
}

void draw_point(SvgCanvas& svg, const Placed& one, const Scale& y) {
  const ScatterPoint& point = *one.point;
  if (std::isfinite(point.y_low) && std::isfinite(point.y_high)) {
    svg.line(one.x, y.at(point.y_low), one.x, y.at(point.y_high), fmt::format("error s{}", point.colour));
  }
  svg.circle(one.x, one.y, point.base ? kRingRadius : kRadius,
             fmt::format("{}{}", point.base ? "ring s" : "f", point.colour), point.note);
}

void draw_label(SvgCanvas& svg, const Placed& one, const Box& box) {
  const double x = std::clamp(one.x, box.x1, box.x2), y = std::clamp(one.y, box.y1 + 4, box.y2 - 4);
  const double length = std::hypot(x - one.x, y - one.y);
  constexpr double kWithoutLeader = 14;
  if (length > kWithoutLeader) svg.line(one.x, one.y, x, y, "leader");
  svg.text(box.x1, box.y2 - 3.5, one.label, "start");
}

}  // namespace

Markup scatter_figure(const ScatterChart& chart) {
  std::vector<Placed> points;
  std::vector<double> xs, ys;
  std::string missing;
  for (const ScatterPoint& point : chart.points) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) {
      missing += (missing.empty() ? "" : ", ") + point.label;
      continue;
    }
    if (points.size() == kMostPoints) break;
    points.push_back({&point, point.label, 0, 0});
    xs.push_back(point.x);
    ys.insert(ys.end(), {point.y, point.y_low, point.y_high});
  }
  if (points.empty()) return {};
  const Scale x = choose_scale(xs, {.zero = true, .log = true}, kLeft + 8, kWidth - kRight - 8);
  const Scale y = choose_scale(ys, {.symmetric_log = true}, kHeight - kBottom - 6, kTop + 6);
  std::string description = chart.y_title + " against " + chart.x_title + ".";
  for (Placed& one : points) {
    one.x = x.at(one.point->x);
    one.y = y.at(one.point->y);
    description += " " + one.point->note + ".";
  }
  SvgCanvas svg(kWidth, kHeight, chart.title, description);
  draw_axes(svg, chart, x, y);
  draw_frontier(svg, points, chart.right_is_better);
  for (const Placed& one : points) draw_point(svg, one, y);
  std::vector<Box> places;
  const bool numbered = !(points.size() <= kMostLabels && place_labels(points, places));
  Markup key;
  if (numbered) {
    for (size_t i = 0; i < points.size(); ++i) {
      points[i].label = fmt::format("{}", i + 1);
      key += markup("<li>{}</li>", points[i].point->label);
    }
    (void)place_labels(points, places);
  }
  for (size_t i = 0; i < points.size(); ++i) draw_label(svg, points[i], places[i]);

  std::string caption;
  if (y.kind == ScaleKind::kSymmetricLog) {
    caption = fmt::format("The vertical axis is logarithmic beyond {}. ", tick_text(y.linear_below));
  }
  if (points.size() > 2) caption += "The dashed line joins what nothing else beats in both. ";
  if (!missing.empty()) caption += "Not shown, for want of a figure: " + missing + ".";
  if (chart.points.size() > kMostPoints) caption += fmt::format("The first {} are shown.", kMostPoints);
  return markup("<figure><h3>{}</h3>{}{}<figcaption>{}</figcaption></figure>\n", chart.title, svg.finish(),
                numbered ? markup("<ol class=\"key\">{}</ol>", key) : Markup{}, caption);
}

}  // namespace gemma
