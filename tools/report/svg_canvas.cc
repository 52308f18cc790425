#include "tools/report/svg_canvas.h"

#include <cmath>

namespace gemma {
namespace {

bool drawable(std::initializer_list<double> places) {
  for (const double place : places) {
    if (!std::isfinite(place)) return false;
  }
  return true;
}

Markup with_note(std::string_view note) {
  return note.empty() ? Markup{} : markup("<title>{}</title>", note);
}

bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

// Of a character that begins with this byte, in units of the text's size.
double character_width(char c) {
  if (static_cast<unsigned char>(c) >= 0xe3) return 1;  // mostly ideographs and pictures
  return c == 'm' || c == 'w' || c == 'M' || c == 'W'   ? 0.85
         : c == 'i' || c == 'l' || c == '.' || c == ' ' ? 0.3
                                                        : 0.56;
}

}  // namespace

double text_width(std::string_view text) {
  double width = 0;
  for (const char c : text) width += begins_character(c) ? character_width(c) : 0;
  return width * kTextSize;
}

std::string fit_text(std::string_view text, double width) {
  if (text_width(text) <= width) return std::string(text);
  double used = kTextSize;  // the ellipsis
  size_t end = 0;
  while (end < text.size()) {
    if (begins_character(text[end])) {
      used += character_width(text[end]) * kTextSize;
      if (used > width) break;
    }
    ++end;
  }
  return std::string(text.substr(0, end)) + "…";
}

SvgCanvas::SvgCanvas(double width, double height, std::string_view title, std::string_view description) {
  body_ = markup("<svg viewBox=\"0 0 {:g} {:g}\" role=\"img\"><title>{}</title><desc>{}</desc>\n", width,
                 height, title, description);
}

void SvgCanvas::line(double x1, double y1, double x2, double y2, std::string_view style) {
  if (!drawable({x1, y1, x2, y2})) return;
  body_ += markup("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1, y1,
                  x2, y2, style);
}

void SvgCanvas::rectangle(double x, double y, double width, double height, std::string_view style,
                          std::string_view note) {
  if (!drawable({x, y, width, height}) || width < 0 || height < 0) return;
  body_ +=
      markup("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" class=\"{}\">{}</rect>\n", x,
             y, width, height, style, with_note(note));
}

void SvgCanvas::circle(double x, double y, double radius, std::string_view style, std::string_view note) {
  if (!drawable({x, y, radius})) return;
  body_ += markup("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" class=\"{}\">{}</circle>\n", x, y, radius,
                  style, with_note(note));
}

void SvgCanvas::path(std::span<const std::pair<double, double>> points, std::string_view style) {
  Markup places;
  for (const auto& [x, y] : points) {
    if (drawable({x, y})) places += markup("{}{:.1f} {:.1f}", places.empty() ? "M" : "L", x, y);
  }
  if (!places.empty()) body_ += markup("<path d=\"{}\" class=\"{}\"/>\n", places, style);
}

void SvgCanvas::text(double x, double y, std::string_view text, std::string_view anchor,
                     std::string_view style) {
  if (!drawable({x, y})) return;
  body_ += markup("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", x, y, anchor,
                  style, text);
}

Markup SvgCanvas::finish() {
  body_ += Markup{"</svg>\n"};
  return std::move(body_);
}

}  // namespace gemma
