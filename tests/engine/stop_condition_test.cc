#include "engine/stop_condition.h"

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "engine/stop_utf8.h"

using namespace gemma;

namespace {

StopCondition make(const std::vector<std::string>& strings, std::vector<int32_t> ids = {}) {
  Result<StopCondition> result = StopCondition::create(std::move(ids), strings);
  REQUIRE(result);
  return std::move(*result);
}

// The text before the stop string that is complete first, of several the longest.
std::string slowly_cut(const std::string& text, const std::vector<std::string>& strings) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& s : strings) {
      if (s.size() <= end && text.compare(end - s.size(), s.size(), s) == 0)
        longest = std::max(longest, s.size());
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

}  // namespace

TEST_CASE("stop ids are found, others not") {
  const StopCondition stop = make({}, {106, 1, 50});
  for (int32_t id : {1, 50, 106}) CHECK(stop.is_stop_id(id));
  for (int32_t id : {0, 2, 107, -1}) CHECK_FALSE(stop.is_stop_id(id));
}

TEST_CASE("text is cut before the stop string, and nothing is shown after it") {
  StopCondition stop = make({"END"});
  CHECK(stop.push("one two END three") == "one two ");
  CHECK(stop.reason() == "END");
  CHECK(stop.push("four") == "");
  CHECK(stop.finish() == "");
}

TEST_CASE("what may begin a stop string is held back until it is decided") {
  StopCondition stop = make({"User:"});
  CHECK(stop.push("Hello Us") == "Hello ");
  CHECK(stop.push("e") == "");
  CHECK(stop.push("ful") == "Useful");
  CHECK(stop.push(" U") == " ");
  CHECK(stop.push("ser:") == "");
  CHECK(stop.reason() == "User:");
}

TEST_CASE("what is held back when the text ends is shown") {
  StopCondition stop = make({"\n\n"});
  CHECK(stop.push("last line\n") == "last line");
  CHECK(stop.finish() == "\n");
  CHECK(stop.finish() == "");
  CHECK_FALSE(stop.reason().has_value());
}

TEST_CASE("a stop string that begins inside a failed one is found") {
  StopCondition stop = make({"aab"});
  CHECK(stop.push("aaa") == "a");
  CHECK(stop.push("b") == "");
  CHECK(stop.reason() == "aab");
}

TEST_CASE("of several stop strings the first to be complete counts, of those the longest") {
  StopCondition inner = make({"abcd", "bc"});
  CHECK(inner.push("xabcd") == "xa");
  CHECK(inner.reason() == "bc");
  StopCondition longest = make({"c", "abc", "bc"});
  CHECK(longest.push("xabc") == "x");
  CHECK(longest.reason() == "abc");
}

TEST_CASE("a character is shown whole or not at all") {
  StopCondition stop = make({"ä!"});  // C3 A4 21
  CHECK(stop.push("x\xC3") == "x");
  CHECK(stop.push("\xA9") == "é");
  CHECK(stop.push("ä") == "");
  CHECK(stop.push("?") == "ä?");
  CHECK(stop.push("\xF0\x9F") == "");
  CHECK(stop.push("\x98\x80") == "😀");
}

TEST_CASE("bytes that are no characters still come through") {
  StopCondition stop = make({"END"});
  CHECK(stop.push("a\xFF\x80") == "a\xFF\x80");
}

TEST_CASE("the outcome does not depend on the pieces, and every piece is whole characters") {
  std::mt19937_64 random(3);
  const std::vector<std::string> letters{"a", "b", "é", "è", "€", "😀"};
  const auto word = [&](uint64_t n) {
    std::string result;
    while (n-- > 0) result += letters[random() % letters.size()];
    return result;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> strings(random() % 4);
    for (std::string& s : strings) s = word(1 + random() % 4);
    const std::string text = word(random() % 40);
    StopCondition stop = make(strings);
    std::string shown;
    for (size_t at = 0; at < text.size() && !stop.reason();) {
      const size_t n = 1 + random() % 5;
      const std::string_view piece = std::string_view(text).substr(at, n);
      const bool stops = stop.would_stop(piece);
      const std::string part(stop.push(piece));
      REQUIRE(stop.reason().has_value() == stops);
      REQUIRE(is_valid_utf8(part));
      shown += part;
      at += n;
    }
    shown += stop.finish();
    REQUIRE(shown == slowly_cut(text, strings));
  }
}

TEST_CASE("a copy goes its own way, and reset begins another text") {
  StopCondition stop = make({"stop"});
  stop.push("sto");
  StopCondition fork = stop;
  CHECK(stop.push("p") == "");
  CHECK(stop.reason() == "stop");
  CHECK(fork.push("ck") == "stock");
  stop.reset();
  CHECK_FALSE(stop.reason().has_value());
  CHECK(stop.push("p") == "p");
}

TEST_CASE("stop strings that cannot be are refused") {
  CHECK(StopCondition::create({}, {""}).error().where == "stop_strings[0]");
}
