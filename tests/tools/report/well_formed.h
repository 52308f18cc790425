// Whether every element of a page is closed where it should be, and whether it holds none that a report has
// no use for: what a hostile text would need to get in.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace gemma::tests {

// Empty if all is well, else what is wrong.
inline std::string fault_of(std::string_view html) {
  constexpr auto kKnown = std::to_array<std::string_view>(
      {"!doctype",   "html",  "head",  "meta", "title", "style",  "body", "main",    "header", "h1",
       "h2",         "h3",    "p",     "ul",   "ol",    "li",     "i",    "section", "div",    "figure",
       "figcaption", "svg",   "desc",  "line", "rect",  "circle", "path", "text",    "table",  "caption",
       "span",       "thead", "tbody", "tr",   "th",    "td",     "pre",  "details", "summary"});
  constexpr std::array<std::string_view, 2> kNeverClosed = {"!doctype", "meta"};
  std::vector<std::string_view> open;
  for (size_t at = html.find('<'); at != html.npos; at = html.find('<', at)) {
    const size_t end = html.find('>', at);
    if (end == html.npos) return "a tag without an end";
    const std::string_view tag = html.substr(at + 1, end - at - 1);
    at = end;
    const bool closes = tag.starts_with('/');
    const size_t from = closes ? 1 : 0;
    const std::string_view name = tag.substr(from, tag.find_first_of(" /\n", from) - from);
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end())
      return "unknown tag " + std::string(name);
    if (closes) {
      if (open.empty() || open.back() != name) return "not open: " + std::string(tag);
      open.pop_back();
    } else if (!tag.ends_with('/') &&
               std::find(kNeverClosed.begin(), kNeverClosed.end(), name) == kNeverClosed.end()) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "never closed: " + std::string(open.back());
}

}  // namespace gemma::tests
