// Every scalar, and every way to be none.
#include "loader/utf8.h"

#include <string>

#include <doctest/doctest.h>

namespace gemma {
namespace {

std::string spelled(char32_t c) {
  const auto tail = [c](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
}

TEST_CASE("every code point but the surrogates is one scalar") {
  size_t wrong = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    const std::string text = spelled(c);
    const Utf8Scalar scalar = utf8_scalar(text, 0);
    const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
    wrong += surrogate ? scalar.valid || scalar.size != 1
                       : !scalar.valid || scalar.value != c || scalar.size != text.size();
    if (!surrogate) wrong += utf8_last_scalar("é" + text).value != c;
  }
  CHECK(wrong == 0);
}

TEST_CASE("a byte that begins no scalar is one invalid byte") {
  for (const std::string text :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x9F\xBF", "\xE2\x82", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    const Utf8Scalar scalar = utf8_scalar(text, 0);
    CHECK_FALSE(scalar.valid);
    CHECK(scalar.size == 1);
  }
}

TEST_CASE("a prefix is complete, open or hopeless") {
  Utf8Prefix prefix;
  CHECK(prefix.complete());
  CHECK(prefix.push(0xE2));
  CHECK_FALSE(prefix.complete());
  CHECK(prefix.push(0x82));
  CHECK(prefix.push(0xAC));
  CHECK(prefix.complete());
  CHECK_FALSE(prefix.push(0x80));
  CHECK(prefix.hopeless());
  CHECK_FALSE(prefix.push('a'));
  CHECK_FALSE(prefix.complete());
}

}  // namespace
}  // namespace gemma
