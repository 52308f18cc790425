// An SVG drawing, shape by shape. Colours and fonts are classes of the page's style sheet (report_style.h),
// so that light and dark need one drawing. A shape that has no finite place is left out.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "tools/report/markup.h"

namespace gemma {

// Size of texts in a drawing, and an estimate of their width: nothing measures fonts here.
inline constexpr double kTextSize = 13;
double text_width(std::string_view text);
// At most as wide, with an ellipsis if cut; whole characters.
std::string fit_text(std::string_view text, double width);

class SvgCanvas {
 public:
  // What a screen reader says instead of showing it: what it is, and what can be seen.
  SvgCanvas(double width, double height, std::string_view title, std::string_view description);

  // `note` is what a pointer that rests on the shape is told.
  void line(double x1, double y1, double x2, double y2, std::string_view style);
  void rectangle(double x, double y, double width, double height, std::string_view style,
                 std::string_view note = {});
  void circle(double x, double y, double radius, std::string_view style, std::string_view note = {});
  void path(std::span<const std::pair<double, double>> points, std::string_view style);
  // `anchor`: "start", "middle" or "end" of the text lies at x; y is its baseline.
  void text(double x, double y, std::string_view text, std::string_view anchor = "start",
            std::string_view style = {});

  Markup finish();

 private:
  Markup body_;
};

}  // namespace gemma
