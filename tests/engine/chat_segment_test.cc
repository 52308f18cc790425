#include "engine/chat_segment.h"

#include <doctest/doctest.h>

using namespace gemma;

TEST_CASE("neighbouring text is one segment, markers are each their own") {
  SegmentWriter out;
  out.text("a")
      .text("")
      .text("b")
      .control(marker::kTurnOpen)
      .control(marker::kTurnClose)
      .quoted("q")
      .quoted("");
  const Result<std::vector<Segment>> segments = out.take();
  REQUIRE(segments.has_value());
  const std::vector<Segment> expected = {{"ab", false},    {"<|turn>", true}, {"<turn|>", true},
                                         {"<|\"|>", true}, {"q", false},      {"<|\"|>", true},
                                         {"<|\"|>", true}, {"<|\"|>", true}};
  CHECK(*segments == expected);
  CHECK(join(*segments) == "ab<|turn><turn|><|\"|>q<|\"|><|\"|><|\"|>");
}

TEST_CASE("the first error stays and nothing is written after it") {
  SegmentWriter out;
  out.text("a");
  out.fail({ErrorCode::kUsage, "first", "broken", {}});
  out.fail({ErrorCode::kUsage, "second", "broken", {}});
  out.text("b").control(marker::kBos);
  const Result<std::vector<Segment>> segments = out.take();
  REQUIRE_FALSE(segments.has_value());
  CHECK(segments.error().where == "first");
}

TEST_CASE("spelled markers are found in trusted text, near misses stay text") {
  const std::vector<Segment> expected = {{"<", false},        {"<|turn>", true},    {"user <|turn", false},
                                         {"<turn|>", true},   {"<|tool>", true},    {"<|tool_call>", true},
                                         {"<|image|>", true}, {"<|image> <", false}};
  CHECK(split_markers("<<|turn>user <|turn<turn|><|tool><|tool_call><|image|><|image> <") == expected);
  CHECK(split_markers("").empty());
}
