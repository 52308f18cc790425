#include "engine/stop_strings.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace gemma;

namespace {

StopStrings build(const std::vector<std::string>& strings) {
  Result<StopStrings> result = StopStrings::build(strings);
  REQUIRE(result);
  return std::move(*result);
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

TEST_CASE("without strings nothing matches and nothing is pending") {
  const StopStrings stops = build({});
  StopStrings::State state;
  for (char c : std::string("any text")) state = stops.advance(state, c);
  CHECK(stops.match(state) == 0);
  CHECK(stops.pending(state) == 0);
}

TEST_CASE("at every byte, match and pending are what a search of all strings finds") {
  std::mt19937_64 random(9);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> strings(1 + random() % 6);
    for (std::string& s : strings) {
      for (uint64_t n = 1 + random() % 5; n > 0; --n) s += static_cast<char>('a' + random() % 3);
    }
    const StopStrings stops = build(strings);
    StopStrings::State state;
    std::string text;
    for (int i = 0; i < 100; ++i) {
      text += static_cast<char>('a' + random() % 3);
      state = stops.advance(state, text.back());
      size_t match = 0, pending = 0;
      for (const std::string& s : strings) {
        if (ends_with(text, s)) match = std::max(match, s.size());
        for (size_t n = 1; n <= s.size(); ++n) {
          if (ends_with(text, s.substr(0, n))) pending = std::max(pending, n);
        }
      }
      REQUIRE(stops.match(state) == match);
      REQUIRE(stops.pending(state) == pending);
    }
  }
}

TEST_CASE("ten thousand stop strings are built and searched in linear time") {
  std::mt19937_64 random(1);
  std::vector<std::string> strings(10000);
  for (std::string& s : strings) {
    for (int i = 0; i < 20; ++i) s += static_cast<char>('a' + random() % 26);
  }
  const StopStrings stops = build(strings);
  StopStrings::State state;
  size_t matches = 0;
  for (int i = 0; i < 1000000; ++i) {
    state = stops.advance(state, static_cast<char>('a' + random() % 26));
    matches += stops.match(state) > 0;
  }
  CHECK(matches == 0);
  for (char c : strings[7777]) state = stops.advance(state, c);
  CHECK(stops.match(state) == 20);
}

TEST_CASE("an empty stop string is refused with its index") {
  const auto result = StopStrings::build({"a", ""});
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kUsage);
  CHECK(result.error().message() ==
        "stop_strings[1]: expected at least one character, found none (leave it out)");
}

TEST_CASE("a stop string that is not UTF-8 is refused") {
  CHECK(StopStrings::build({"\xC3"}).error().message() ==
        "stop_strings[0]: expected valid UTF-8, found other bytes");
}

TEST_CASE("more bytes than the limit are refused before they are stored") {
  CHECK(StopStrings::build({"a", std::string(kMaxStopBytes - 1, 'b')}).error().message() ==
        "stop_strings[1]: expected less than 16777216 bytes in all stop strings, found 16777216 or more");
}
