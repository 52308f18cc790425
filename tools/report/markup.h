// HTML and SVG whose texts cannot turn into markup: a piece of it is of a type of its own, made by a pattern
// whose arguments are escaped unless they are such pieces themselves.
//
//   markup("<td>{}</td>", model_name)                     // "<b>" in a name is shown, not obeyed
//   markup("<tr>{}{}</tr>", markup("<td>{}</td>", "a"), rest)
//
// The pattern is a literal, checked when compiled: text from a file cannot come in that way.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>

namespace gemma {

struct Markup {
  std::string html;
  void operator+=(const Markup& more) { html += more.html; }
  bool empty() const { return html.empty(); }
};

// The text as it may stand between tags and inside a quoted attribute. & < > " ' become entities; control
// characters and bytes that are no UTF-8 become U+FFFD, and so do the marks that turn the direction of what
// follows them.
std::string escape_html(std::string_view text);

template <typename T>
auto markup_argument(const T& value) {
  if constexpr (std::is_same_v<T, Markup>) {
    return std::string_view(value.html);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return value;
  } else {
    return escape_html(std::string_view(value));
  }
}

template <typename... T>
Markup markup(
    fmt::format_string<std::remove_cvref_t<decltype(markup_argument(std::declval<const T&>()))>...> pattern,
    const T&... values) {
  return {fmt::format(pattern, markup_argument(values)...)};
}

}  // namespace gemma
