#include "engine/stop_utf8.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

using gemma::is_valid_utf8;
using gemma::unfinished_utf8;

TEST_CASE("valid text is valid") {
  for (std::string_view text : {"", "a", "é", "€", "😀", "a😀é", "\xEF\xBF\xBD", "\xF4\x8F\xBF\xBF"}) {
    CHECK(is_valid_utf8(text));
  }
  CHECK(is_valid_utf8(std::string_view("\0", 1)));
}

TEST_CASE("cut, overlong, surrogate and too large characters are not") {
  for (std::string_view text : {"\xC3", "\xE2\x82", "\xF0\x9F\x98", "\x80", "a\xBF", "\xC0\x80", "\xC1\xBF",
                                "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                                "\xF5\x80\x80\x80", "\xFF", "\xC3(", "\xE2\x82(", "\xE2(\x82"}) {
    CHECK_FALSE(is_valid_utf8(text));
  }
}

TEST_CASE("a begun character is unfinished by as many bytes as it has") {
  const std::string smile = "😀";
  CHECK(unfinished_utf8("") == 0);
  CHECK(unfinished_utf8("ab") == 0);
  CHECK(unfinished_utf8("ab" + smile.substr(0, 1)) == 1);
  CHECK(unfinished_utf8("ab" + smile.substr(0, 2)) == 2);
  CHECK(unfinished_utf8("ab" + smile.substr(0, 3)) == 3);
  CHECK(unfinished_utf8("ab" + smile) == 0);
  CHECK(unfinished_utf8(smile + "\xC3") == 1);
}

TEST_CASE("bytes that can become no character are not waited for") {
  for (std::string_view text :
       {"\x80", "a\xBF\xBF\xBF\xBF", "\xFF", "\xC0", "\xE0\x80", "\xED\xA0", "\xF4\x90"}) {
    CHECK(unfinished_utf8(text) == 0);
  }
}
