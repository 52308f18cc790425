#include "loader/web_address.h"

#include <string>

#include <doctest/doctest.h>

namespace gemma {
namespace {

TEST_CASE("scheme, host and port decide whether two addresses are one origin") {
  const auto same = [](const char* a, const char* b) {
    return parse_web_address(a)->same_origin(*parse_web_address(b));
  };
  CHECK(same("https://hub.co", "https://HUB.co:443/x?y"));
  CHECK(same("http://127.0.0.1:8000/a", "http://127.0.0.1:8000/b"));
  CHECK_FALSE(same("https://hub.co", "http://hub.co"));
  CHECK_FALSE(same("https://hub.co", "https://hub.co:444"));
  CHECK_FALSE(same("https://hub.co", "https://cdn.hub.co"));
  CHECK_FALSE(same("https://hub.co", "https://hub.co.evil.org"));
  CHECK_FALSE(same("https://hub.co", "https://hub.co@evil.org"));
}

TEST_CASE("only http and https are addresses") {
  for (const char* text : {"", "hub", "ftp://hub.co", "file:///etc/passwd", "https://", "http://a b"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_web_address(text));
  }
  CHECK_FALSE(parse_web_address(std::string("http://a\0b", 10)));
}

TEST_CASE("users, queries and fragments are told") {
  CHECK_FALSE(parse_web_address("https://hub.co/path")->has_extras);
  CHECK(parse_web_address("https://me@hub.co")->has_extras);
  CHECK(parse_web_address("https://hub.co?a=b")->has_extras);
  CHECK(parse_web_address("https://hub.co#a")->has_extras);
}

TEST_CASE("names become parts of an address by percent encoding") {
  CHECK(percent_encoded("refs/pr/7", false) == "refs%2Fpr%2F7");
  CHECK(percent_encoded("a/b-._~9", true) == "a/b-._~9");
  CHECK(percent_encoded("a b?#%\xc3\xa9", true) == "a%20b%3F%23%25%C3%A9");
}

}  // namespace
}  // namespace gemma
