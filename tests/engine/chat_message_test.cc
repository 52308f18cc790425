#include "engine/chat_message.h"

#include <doctest/doctest.h>

#include <string>

using namespace gemma;

namespace {

std::string error_of(const std::string& json) {
  const Result<Conversation> conversation = parse_conversation(json, "talk.json");
  return conversation ? "no error" : conversation.error().message();
}

}  // namespace

TEST_CASE("a list of messages is a conversation") {
  const Result<Conversation> talk = parse_conversation(R"([
    {"role": "developer", "content": "d"}, {"role": "user", "content": [{"type": "text", "text": "t"}, {"type": "image_url",
     "image_url": {}}]}, {"role": "model", "content": "m"}])",
                                                       "talk.json");
  REQUIRE(talk.has_value());
  REQUIRE(talk->messages.size() == 3);
  CHECK(talk->messages[0].role == Role::kDeveloper);
  CHECK(std::get<std::string>(talk->messages[0].content) == "d");
  const auto& parts = std::get<std::vector<Part>>(talk->messages[1].content);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].text == "t");
  CHECK(parts[1].kind == Part::Kind::kImage);
  CHECK(talk->messages[2].role == Role::kAssistant);
  CHECK(talk->tools.empty());
}

TEST_CASE("an object carries messages and tools") {
  const Result<Conversation> talk = parse_conversation(
      R"({"messages": [{"role": "user", "content": "x"}], "tools": [{"function": {"name": "f"}}]})",
      "talk.json");
  REQUIRE(talk.has_value());
  CHECK(talk->messages.size() == 1);
  REQUIRE(talk->tools.size() == 1);
  CHECK(talk->tools[0]["function"]["name"] == "f");
}

TEST_CASE("calls, reasoning and both shapes of answers are read") {
  const Result<Conversation> talk = parse_conversation(R"([
    {"role": "assistant", "reasoning": null, "reasoning_content": "r",
     "tool_calls": [{"id": "7", "type": "function", "function": {"name": "f", "arguments": {"z": 1, "a": 2}}}]},
    {"role": "tool", "tool_call_id": "7", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": " b"}]},
    {"role": "assistant", "tool_calls": [{"function": {"name": "g"}}],
     "tool_responses": [{"name": "g", "response": {"ok": true}}]}])",
                                                       "talk.json");
  REQUIRE(talk.has_value());
  const Message& call = talk->messages[0];
  CHECK(call.reasoning == "r");
  REQUIRE(call.tool_calls.size() == 1);
  CHECK(call.tool_calls[0].id == "7");
  CHECK(call.tool_calls[0].name == "f");
  CHECK(call.tool_calls[0].arguments.dump() == R"({"z":1,"a":2})");
  REQUIRE(talk->messages[1].tool_responses.size() == 1);
  CHECK(talk->messages[1].tool_responses[0].call_id == "7");
  CHECK(talk->messages[1].tool_responses[0].response == "a b");
  CHECK(talk->messages[2].tool_calls[0].arguments.is_null());
  CHECK(talk->messages[2].tool_responses[0].response == Json{{"ok", true}});
}

TEST_CASE("an unknown role is refused") {
  CHECK(error_of(R"([{"role": "robot", "content": "x"}])") ==
        "talk.json: messages[0].role: unknown role \"robot\" (roles are system, developer, user, assistant "
        "and tool)");
  CHECK(error_of(R"([{"content": "x"}])").find("unknown role \"\"") != std::string::npos);
  CHECK(error_of(R"([{"role": 1}])") == "talk.json: messages[0].role: expected a string, found number");
}

TEST_CASE("arguments that are text are refused with what to do") {
  CHECK(error_of(
            R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}])") ==
        "talk.json: messages[0].tool_calls[0].function.arguments: expected a JSON object, found string "
        "(parse the arguments before they go into the conversation)");
}

TEST_CASE("a file that is no conversation is refused") {
  CHECK(error_of("{").starts_with("talk.json: not valid JSON: "));
  CHECK(error_of("").starts_with("talk.json: not valid JSON: "));
  CHECK(error_of("[\"\xff\"]").starts_with("talk.json: not valid JSON: "));
  CHECK(error_of("[1e999]").starts_with("talk.json: not valid JSON: "));
  CHECK(error_of("3") == "talk.json: expected a list of messages or an object with a list \"messages\"");
  CHECK(error_of("{}") == "talk.json: expected a list of messages or an object with a list \"messages\"");
  CHECK(error_of("[]") == "talk.json: a conversation without messages");
  CHECK(error_of("[3]") == "talk.json: messages[0]: expected a message, found number");
  CHECK(error_of(R"({"messages": [{"role": "user", "content": "x"}], "tools": 3})") ==
        "talk.json: tools: expected a list");
}

TEST_CASE("content that is neither text nor parts is refused") {
  CHECK(error_of(R"([{"role": "user", "content": 3}])") ==
        "talk.json: messages[0].content: expected a string or a list of parts, found number");
  CHECK(error_of(R"([{"role": "user", "content": ["x"]}])") ==
        "talk.json: messages[0].content[0]: expected a content part, found string");
  CHECK(error_of(R"([{"role": "user", "content": [{"type": "text", "text": 3}]}])") ==
        "talk.json: messages[0].content[0].text: expected a string, found number");
  CHECK(error_of(R"([{"role": "user", "content": [{"type": "smell"}]}])") ==
        "talk.json: messages[0].content[0].type: unknown content part \"smell\" "
        "(parts are text, image, audio and video)");
}

TEST_CASE("calls and answers of the wrong shape are refused") {
  CHECK(error_of(R"([{"role": "assistant", "tool_calls": {}}])") ==
        "talk.json: messages[0].tool_calls: expected a list");
  CHECK(error_of(R"([{"role": "assistant", "tool_calls": [3]}])") ==
        "talk.json: messages[0].tool_calls[0]: expected an object with a member \"function\"");
  CHECK(error_of(R"([{"role": "assistant", "tool_calls": [{"function": {"name": ""}}]}])") ==
        "talk.json: messages[0].tool_calls[0].function.name: missing or empty");
  CHECK(error_of(R"([{"role": "assistant", "tool_responses": 1}])") ==
        "talk.json: messages[0].tool_responses: expected a list");
  CHECK(error_of(R"([{"role": "assistant", "tool_responses": [1]}])") ==
        "talk.json: messages[0].tool_responses[0]: expected an object, found number");
  CHECK(error_of(R"([{"role": "assistant", "reasoning": 1}])") ==
        "talk.json: messages[0].reasoning: expected a string, found number");
  CHECK(error_of(R"([{"role": "tool", "content": [{"type": "image"}]}])") ==
        "talk.json: messages[0].content: a tool answers with text only");
}

TEST_CASE("nesting and size are limited before anything is built") {
  CHECK(error_of(std::string(100000, '[')) == "talk.json: nested deeper than 64 levels at byte 64");
  std::string members = "{";
  for (int i = 0; i < 1025; ++i) members += "\"" + std::to_string(i) + "\":0,";
  CHECK(error_of(members + "\"x\":0}")
            .starts_with("talk.json: an object with more than 1024 members at byte "));
  CHECK(error_of(R"(["]]]{{{\"[[["])") == "talk.json: messages[0]: expected a message, found string");
}

TEST_CASE("truth is Python's") {
  for (const char* value : {"null", "false", "0", "0.0", "\"\"", "[]", "{}"})
    CHECK_FALSE(is_truthy(Json::parse(value)));
  for (const char* value : {"true", "1", "-0.5", "\"0\"", "[0]", "{\"a\":null}"})
    CHECK(is_truthy(Json::parse(value)));
}
