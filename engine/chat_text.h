// Python's rules for text, as far as a chat template sees them: a template is rendered by Jinja, so what it
// trims, sorts, upper-cases and prints is what Python's str does. Byte-exact prompts need exactly these.
#pragma once

#include <string>
#include <string_view>

namespace gemma {

// str.strip(): without the Unicode white space at both ends (UTF-8; invalid bytes are not white space).
std::string_view strip(std::string_view text);

// Jinja's `upper` and the order of `dictsort`, for ASCII letters; other characters are kept and compare by
// code point.
std::string upper(std::string_view text);
bool less_ignoring_case(std::string_view left, std::string_view right);

// repr(float): the shortest digits that read back as the same double, "1.0", "0.0001", "1e-05", "1e+20",
// "nan".
std::string float_text(double value);

// Without every span from "<|channel>" to "<channel|>" (or to the end), then stripped: what stays of a
// model's answer once it is history. A stray "<channel|>" goes too.
std::string strip_channels(std::string_view text);

}  // namespace gemma
