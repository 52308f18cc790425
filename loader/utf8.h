// UTF-8, as far as a tokenizer needs it: one scalar at a time out of text that may be anything, and a judge
// of bytes that arrive one by one. Valid means RFC 3629: no overlong form, no surrogate, nothing above
// U+10FFFF.
//
//   for (size_t at = 0; at < text.size(); at += scalar.size) scalar = utf8_scalar(text, at);
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gemma {

// What stands in for bytes that are no UTF-8: U+FFFD, the replacement character.
inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// One step through a text: a scalar of 1..4 bytes, or one byte that begins no valid scalar.
struct Utf8Scalar {
  char32_t value = 0;  // 0 if not valid
  uint32_t size = 1;   // bytes to advance, 1..4
  bool valid = false;
};

Utf8Scalar utf8_beyond_ascii(std::string_view text, size_t at);

// The scalar that begins at text[at]. Requires at < text.size().
inline Utf8Scalar utf8_scalar(std::string_view text, size_t at) {
  const auto first = static_cast<uint8_t>(text[at]);
  return first < 0x80 ? Utf8Scalar{first, 1, true} : utf8_beyond_ascii(text, at);
}

// The last scalar of a non-empty valid text.
Utf8Scalar utf8_last_scalar(std::string_view text);

// Judges a sequence byte by byte: can the bytes so far still begin a valid text, and are they one already?
class Utf8Prefix {
 public:
  // Takes one more byte. False once no continuation can make the sequence valid; it stays false.
  bool push(uint8_t byte);

  bool hopeless() const { return hopeless_; }
  bool complete() const { return !hopeless_ && missing_ == 0; }

 private:
  bool hopeless_ = false;
  uint8_t missing_ = 0;    // continuation bytes that the open scalar still needs
  uint8_t lowest_ = 0x80;  // range of the next continuation byte: narrower after E0, ED, F0 and F4
  uint8_t highest_ = 0xBF;
};

// Whether the whole text is valid.
bool is_utf8(std::string_view text);

}  // namespace gemma
