#include "engine/chat_output.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "engine/chat_template.h"

using namespace gemma;

namespace {

ChatOutput split(const std::string& text, bool in_thought = false) {
  return split_output(split_markers(text), in_thought);
}

// The same output, its text cut into pieces of one byte as a stream would bring it at worst.
ChatOutput split_by_bytes(const std::string& text) {
  std::vector<Segment> pieces;
  for (const Segment& segment : split_markers(text)) {
    if (segment.is_control) {
      pieces.push_back(segment);
    } else {
      for (const char c : segment.text) pieces.push_back({std::string(1, c), false});
    }
  }
  return split_output(pieces, false);
}

}  // namespace

TEST_CASE("an answer without thoughts is an answer") {
  const ChatOutput output = split("Hello!\n<turn|>");
  CHECK(output.answer == "Hello!\n");
  CHECK(output.thought.empty());
  CHECK(output.calls.empty());
  CHECK(output.errors.empty());
}

TEST_CASE("the thought channel is taken out, with its name and its last newline") {
  for (const ChatOutput& output : {split("<|channel>thought\nHm.\n\nSo.\n<channel|>Yes.<turn|>"),
                                   split_by_bytes("<|channel>thought\nHm.\n\nSo.\n<channel|>Yes.<turn|>")}) {
    CHECK(output.thought == "Hm.\n\nSo.");
    CHECK(output.answer == "Yes.");
  }
}

TEST_CASE("an empty channel holds no thought") {
  CHECK(split("<|channel>thought\n<channel|>Yes.").thought.empty());
  CHECK(split("<|channel>thought<channel|>Yes.").thought.empty());
  CHECK(split("<|channel><channel|>Yes.").answer == "Yes.");
}

TEST_CASE("a channel of another name or of none is thought, first line included") {
  CHECK(split("<|channel>plan\nfirst\n<channel|>Yes.").thought == "plan\nfirst");
  CHECK(split("<|channel>thoughtful words<channel|>Yes.").thought == "thoughtful words");
  CHECK(split_by_bytes("<|channel>thoughtful words<channel|>Yes.").thought == "thoughtful words");
  CHECK(split("<|channel>th<channel|>Yes.").thought == "th");
}

TEST_CASE("a prompt that ends in a thought is continued there") {
  const ChatOutput output = split("and so on\n<channel|>Yes.<turn|>", true);
  CHECK(output.thought == "and so on");
  CHECK(output.answer == "Yes.");
}

TEST_CASE("a stream that breaks off keeps what was written") {
  CHECK(split("<|channel>thought\nHm.\n").thought == "Hm.");
  CHECK(split("<|channel>tho").thought == "tho");
  CHECK(split("Hel").answer == "Hel");
  CHECK(split("").answer.empty());
}

TEST_CASE("tool calls are read, several in a row, and end with the wish for answers") {
  const std::string text =
      R"(Look:<|tool_call>call:f{a:<|"|>x<|"|>}<tool_call|><|tool_call>call:g{}<tool_call|><|tool_response>)";
  for (const ChatOutput& output : {split(text), split_by_bytes(text)}) {
    CHECK(output.answer == "Look:");
    REQUIRE(output.calls.size() == 2);
    CHECK(output.calls[0].name == "f");
    CHECK(output.calls[0].arguments == Json{{"a", "x"}});
    CHECK(output.calls[1].name == "g");
    CHECK(output.errors.empty());
  }
}

TEST_CASE("a broken call is an error and the rest goes on") {
  const ChatOutput output = split("<|tool_call>call:f{a}<tool_call|><|tool_call>call:g{}<tool_call|>done");
  REQUIRE(output.errors.size() == 1);
  CHECK(output.errors[0].message() == "tool call, byte 8: expected ':', found '}'");
  REQUIRE(output.calls.size() == 1);
  CHECK(output.calls[0].name == "g");
  CHECK(output.answer == "done");
}

TEST_CASE("a call that is not closed is an error, wherever it breaks off") {
  for (const char* end : {"", "<turn|>", "<eos>", "<|tool_response>", "<|channel>thought\nx<channel|>"}) {
    const ChatOutput output = split(std::string("<|tool_call>call:f{a:1") + end);
    REQUIRE(output.errors.size() == 1);
    CHECK(output.errors[0].message() == "tool call: not finished: \"call:f{a:1\"");
    CHECK(output.calls.empty());
  }
  const ChatOutput output = split("<|tool_call>call:f{<|tool_call>call:g{}<tool_call|>");
  CHECK(output.errors.size() == 1);
  CHECK(output.calls.size() == 1);
}

TEST_CASE("a call beyond the limit is one error, and skipped up to its end") {
  OutputSplitter splitter;
  size_t errors = 0;
  const auto push = [&](const Segment& piece) {
    std::string answer;
    for (const OutputEvent& event : splitter.push(piece)) {
      errors += std::holds_alternative<Error>(event);
      if (const auto* text = std::get_if<AnswerText>(&event)) answer += text->text;
    }
    return answer;
  };
  push({"<|tool_call>", true});
  const std::string block(1 << 16, 'x');
  for (int i = 0; i < 40; ++i) CHECK(push({block, false}).empty());
  CHECK(push({"<channel|>", true}).empty());
  CHECK(push({"<|\"|>", true}).empty());
  CHECK(push({"more", false}).empty());
  CHECK(errors == 1);
  push({"<tool_call|>", true});
  CHECK(push({"answer", false}) == "answer");
  CHECK(errors == 1);
}

TEST_CASE("nothing after the end is read") {
  OutputSplitter splitter;
  CHECK_FALSE(splitter.ended());
  CHECK(splitter.push({"a", false}).size() == 1);
  splitter.push({"<turn|>", true});
  CHECK(splitter.ended());
  CHECK(splitter.push({"b", false}).empty());
  CHECK(splitter.push({"<|tool_call>", true}).empty());
  CHECK(splitter.push({"call:f{}", false}).empty());
  CHECK(splitter.push({"<tool_call|>", true}).empty());
  CHECK(splitter.finish().empty());
}

TEST_CASE("stray and unrelated markers are not shown") {
  CHECK(split("a<channel|>b<tool_call|>c<|think|>d<|\"|>e<bos>f<|turn>g").answer == "abcdefg");
  CHECK(split("<|channel>thought\na<tool_call|>b<|\"|>c\n<channel|>d").thought == "abc");
}

TEST_CASE("a thought that is not closed ends with the turn or with a call") {
  const ChatOutput ended = split("<|channel>thought\nHm.<turn|>rest");
  CHECK(ended.thought == "Hm.");
  CHECK(ended.answer.empty());
  const ChatOutput calling = split("<|channel>thought\nHm.<|tool_call>call:f{}<tool_call|>");
  CHECK(calling.thought == "Hm.");
  CHECK(calling.calls.size() == 1);
}

TEST_CASE("markers spelled in letters are letters") {
  const std::vector<Segment> output = {{"<|channel>thought\nx<channel|><turn|>", false}};
  CHECK(split_output(output, false).answer == "<|channel>thought\nx<channel|><turn|>");
}

TEST_CASE("an output becomes the next message and renders as it was written") {
  const std::string prompt = "<bos><|turn>system\n<|think|>\n<turn|>\n<|turn>user\nu<turn|>\n<|turn>model\n";
  const std::string written =
      "<|channel>thought\nI call.\n<channel|><|tool_call>call:f{a:[1,true]}<tool_call|>";
  Message question;
  question.content = "u";
  const std::vector<Message> messages = {question, split(written).message()};
  ChatOptions options;
  options.thinking = true;
  CHECK(*render_chat(messages, options) == prompt + written + "<|tool_response>");
}

TEST_CASE("any sequence of markers and texts is split without harm") {
  std::mt19937 random(6);
  const std::vector<std::string> texts = {"thought\n", "a\n", "call:f{", "}", "x:1", "", "call:f{}"};
  for (int round = 0; round < 20000; ++round) {
    std::vector<Segment> output;
    for (size_t i = random() % 12; i > 0; --i) {
      if (random() % 2 == 0) {
        output.push_back({std::string(all_markers()[random() % all_markers().size()]), true});
      } else {
        output.push_back({texts[random() % texts.size()], false});
      }
    }
    const ChatOutput result = split_output(output, random() % 2 == 0);
    CHECK(result.calls.size() + result.errors.size() <= output.size());
  }
}
