#include "loader/utf8.h"

namespace gemma {

bool Utf8Prefix::push(uint8_t byte) {
  if (hopeless_) return false;
  if (missing_ > 0) {
    hopeless_ = byte < lowest_ || byte > highest_;
    lowest_ = 0x80;
    highest_ = 0xBF;
    --missing_;
    return !hopeless_;
  }
  if (byte < 0x80) return true;
  if (byte >= 0xC2 && byte <= 0xDF) {  // C0 and C1 would only spell ASCII in two bytes
    missing_ = 1;
  } else if (byte >= 0xE0 && byte <= 0xEF) {
    missing_ = 2;
    if (byte == 0xE0) lowest_ = 0xA0;   // below: overlong
    if (byte == 0xED) highest_ = 0x9F;  // above: surrogates
  } else if (byte >= 0xF0 && byte <= 0xF4) {
    missing_ = 3;
    if (byte == 0xF0) lowest_ = 0x90;   // below: overlong
    if (byte == 0xF4) highest_ = 0x8F;  // above: beyond U+10FFFF
  } else {
    hopeless_ = true;
  }
  return !hopeless_;
}

Utf8Scalar utf8_beyond_ascii(std::string_view text, size_t at) {
  const auto first = static_cast<uint8_t>(text[at]);
  const uint32_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (size > text.size() - at) return {};
  Utf8Prefix prefix;
  char32_t value = first & (0x7Fu >> size);
  if (!prefix.push(first)) return {};
  for (uint32_t i = 1; i < size; ++i) {
    const auto byte = static_cast<uint8_t>(text[at + i]);
    if (!prefix.push(byte)) return {};
    value = value << 6 | (byte & 0x3Fu);
  }
  return {value, size, true};
}

Utf8Scalar utf8_last_scalar(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return utf8_scalar(text, at);
}

bool is_utf8(std::string_view text) {
  Utf8Prefix prefix;
  for (const char byte : text) {
    if (!prefix.push(static_cast<uint8_t>(byte))) return false;
  }
  return prefix.complete();
}

}  // namespace gemma
