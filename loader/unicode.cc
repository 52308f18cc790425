#include "loader/unicode.h"

#include <algorithm>
#include <iterator>

#include "loader/unicode_tables.h"
#include "loader/utf8.h"

namespace gemma {
namespace {

constexpr char32_t kSigma = 0x03A3, kSmallSigma = 0x03C3, kFinalSigma = 0x03C2;
constexpr char32_t kDottedI = 0x0130;
constexpr std::string_view kSmallDottedI = "i\xCC\x87";

// The last range that begins at or before c, or nullptr.
template <typename Range, size_t n>
const Range* range_before(const Range (&ranges)[n], char32_t c) {
  const Range* after = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                        [](char32_t x, const Range& range) { return x < range.first; });
  return after == std::begin(ranges) ? nullptr : after - 1;
}

}  // namespace

bool is_word_character(char32_t c) {
  if (c == U'_') return true;
  const WordRange* range = range_before(kWordRanges, c);
  return range != nullptr && c <= range->last;
}

bool is_blank(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

char32_t to_lower(char32_t c) {
  if (c < 0x80) return c >= U'A' && c <= U'Z' ? c + 32 : c;
  const LowerRange* range = range_before(kLowerRanges, c);
  if (range == nullptr || c > range->last || (c - range->first) % range->step != 0) return c;
  return static_cast<char32_t>(static_cast<int32_t>(c) + range->delta);
}

void append_utf8(std::string& text, char32_t c) {
  const auto byte = [&](char32_t value) { text += static_cast<char>(value); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

std::string lower_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool in_word = false;
  Utf8Scalar scalar;
  for (size_t at = 0; at < text.size(); at += scalar.size) {
    scalar = utf8_scalar(text, at);
    const size_t next = at + scalar.size;
    if (!scalar.valid) {
      out += text[at];
    } else if (scalar.value == kDottedI) {
      out += kSmallDottedI;
    } else if (scalar.value == kSigma) {
      const bool goes_on = next < text.size() && is_word_character(utf8_scalar(text, next).value);
      append_utf8(out, in_word && !goes_on ? kFinalSigma : kSmallSigma);
    } else {
      append_utf8(out, to_lower(scalar.value));
    }
    in_word = scalar.valid && is_word_character(scalar.value);
  }
  return out;
}

size_t count_characters(std::string_view text) {
  size_t n = 0;
  for (size_t at = 0; at < text.size(); at += utf8_scalar(text, at).size) ++n;
  return n;
}

}  // namespace gemma
