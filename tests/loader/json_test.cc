#include "loader/json.h"

#include <string>

#include <doctest/doctest.h>

#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

std::string refusal(std::string_view text, const JsonLimits& limits = {}) {
  auto parsed = parse_json(text, "f.json", limits);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == ErrorCode::kInvalidFile);
  CHECK(parsed.error().where == "f.json");
  return parsed.error().what;
}

std::string nested(size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST_CASE("values of every kind are read as nlohmann's own reader does") {
  for (const char* text :
       {"null", "true", "-3", "18446744073709551615", "1.5e3", "\"\\u00e9\\n\"", "[]", "{}",
        "[1,[2,{\"a\":[]}],\"b\"]", "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"d\":-0.5}", " {\"a\" : 1}\n"}) {
    CAPTURE(text);
    auto parsed = parse_json(text, "f.json");
    REQUIRE(parsed);
    CHECK(*parsed == nlohmann::json::parse(text));
  }
}

TEST_CASE("a key that occurs twice is refused, at any level") {
  CHECK(refusal("{\"a\":1,\"b\":2,\"a\":3}") == "key \"a\" occurs twice");
  CHECK(refusal("[{\"x\":{\"y\":1,\"y\":1}}]") == "key \"y\" occurs twice");
  CHECK(parse_json("[{\"a\":1},{\"a\":2}]", "f.json"));
}

TEST_CASE("depth is bounded, and 100 000 levels cost nothing") {
  CHECK(parse_json(nested(32), "f.json"));
  CHECK(refusal(nested(33)) == "nested deeper than 32 levels");
  CHECK(refusal(nested(100'000)) == "nested deeper than 32 levels");
  CHECK(refusal("[{}]", {.depth = 1}) == "nested deeper than 1 levels");
}

TEST_CASE("broken JSON is refused with its place") {
  CHECK(refusal("") == "not valid JSON at byte 1, near \"\"");
  CHECK(refusal("{\"a\":}") == "not valid JSON at byte 6, near \"\\\"a\\\":}\"");
  CHECK(refusal("[1,]") == "not valid JSON at byte 4, near \"1,]\"");
  CHECK(refusal("{} x") == "not valid JSON at byte 4, near \"{} x\"");
  CHECK(refusal("[1] // one").starts_with("not valid JSON at byte 5"));
  CHECK(refusal("\"\xed\xa0\x80\"").starts_with("not valid JSON at byte"));  // a lone surrogate
}

TEST_CASE("a byte order mark, a zero byte and too many bytes") {
  CHECK(refusal("\xef\xbb\xbf{}") == "starts with a byte order mark");
  CHECK(refusal(std::string_view("{}\0{}", 5)) == "holds a zero byte at 2");
  CHECK(refusal("[1,2,3]", {.bytes = 6}) == "expected at most 6 bytes of JSON, found 7");
}

TEST_CASE("a file is read; a folder, an absent and a large one are refused") {
  TemporaryFolder folder;
  auto parsed = read_json(folder.write("a.json", "{\"a\":1}"));
  REQUIRE(parsed);
  CHECK((*parsed)["a"] == 1);
  CHECK(read_json(folder.path("b.json")).error().code == ErrorCode::kNotFound);
  CHECK(read_json(folder.path()).error().what == "expected a regular file, found a folder");
  CHECK(read_json(folder.path("a.json"), {.bytes = 3}).error().what == "expected at most 3 bytes, found 7");
}

}  // namespace
}  // namespace gemma
