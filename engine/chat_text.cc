#include "engine/chat_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace gemma {
namespace {

constexpr std::string_view kChannelOpen = "<|channel>";
constexpr std::string_view kChannelClose = "<channel|>";

// White space as str.isspace() knows it: bidirectional class WS, B or S, or category Zs.
bool is_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

// All white space fits in three bytes of UTF-8, so longer characters need no decoding.
uint32_t code_point(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])); };
  if (bytes.size() == 1) return byte(0) < 0x80 ? byte(0) : UINT32_MAX;
  if (bytes.size() == 2) {
    return (byte(0) & 0xE0) == 0xC0 ? (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F) : UINT32_MAX;
  }
  return (byte(0) & 0xF0) == 0xE0 ? (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F)
                                  : UINT32_MAX;
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// Bytes of the white space character that `text` begins with; 0 if it begins with another one.
size_t leading_space(std::string_view text) {
  size_t length = text.empty() ? 0 : 1;
  while (length > 0 && length < std::min<size_t>(text.size(), 3) && is_continuation(text[length])) ++length;
  return length > 0 && is_space(code_point(text.substr(0, length))) ? length : 0;
}

size_t trailing_space(std::string_view text) {
  size_t length = text.empty() ? 0 : 1;
  while (length > 0 && length < std::min<size_t>(text.size(), 3) &&
         is_continuation(text[text.size() - length])) {
    ++length;
  }
  return length > 0 && is_space(code_point(text.substr(text.size() - length))) ? length : 0;
}

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::string_view strip(std::string_view text) {
  while (const size_t length = leading_space(text)) text.remove_prefix(length);
  while (const size_t length = trailing_space(text)) text.remove_suffix(length);
  return text;
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = upper(c);
  return result;
}

bool less_ignoring_case(std::string_view left, std::string_view right) {
  return std::lexicographical_compare(
      left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
        return static_cast<unsigned char>(lower(a)) < static_cast<unsigned char>(lower(b));
      });
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto written = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view shortest(buffer, static_cast<size_t>(written.ptr - buffer));  // "-1.25e-07"
  const size_t e = shortest.find('e');
  int exponent = 0;
  const char* digits_of_exponent = buffer + e + (shortest[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, written.ptr, exponent);
  // Python writes out numbers from 1e-4 up to, but not including, 1e16; others as to_chars has it.
  if (exponent < -4 || exponent >= 16) return std::string(shortest);

  const bool negative = shortest.front() == '-';
  std::string digits;
  for (const char c : shortest.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  if (exponent < 0) {
    digits.insert(0, static_cast<size_t>(-exponent), '0');
    exponent = 0;
  }
  const size_t point = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= point) digits.append(point + 1 - digits.size(), '0');
  digits.insert(point, 1, '.');
  return negative ? "-" + digits : digits;
}

std::string strip_channels(std::string_view text) {
  std::string kept;
  for (;;) {
    const size_t close = text.find(kChannelClose);
    const std::string_view part = text.substr(0, close);
    kept += part.substr(0, part.find(kChannelOpen));
    if (close == std::string_view::npos) break;
    text.remove_prefix(close + kChannelClose.size());
  }
  return std::string(strip(kept));
}

}  // namespace gemma
