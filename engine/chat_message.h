// A conversation: messages with their tool calls and answers, and the tools that are declared to the model.
// The JSON shape is the one that transformers' apply_chat_template takes (and that OpenAI's API made common).
//
//   [{"role": "user", "content": "Weather in Paris?"},
//    {"role": "assistant",
//     "tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": {"at": "Paris"}}}]},
//    {"role": "tool", "tool_call_id": "1", "content": "18C, sunny"}]
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/chat_json.h"
#include "loader/result.h"

namespace gemma {

enum class Role { kSystem, kDeveloper, kUser, kAssistant, kTool };

std::string_view to_string(Role role);

struct Part {
  enum class Kind { kText, kImage, kAudio, kVideo };
  Kind kind = Kind::kText;
  std::string text;  // of a text part
};

// One string, or a list of parts: each part is trimmed by itself.
using Content = std::variant<std::string, std::vector<Part>>;

struct ToolCall {
  std::string id;  // may be empty
  std::string name;
  Json arguments;  // an object, or null for none
};

struct ToolResponse {
  std::string call_id;  // the call that it answers; may be empty
  std::string name;     // of the tool; may be empty where the call is known
  Json response;        // a map is given to the model as it is, anything else as {value: ...}
};

struct Message {
  Role role = Role::kUser;
  Content content = {};
  std::string reasoning = {};                     // assistant: what it thought, without channel markers
  std::vector<ToolCall> tool_calls = {};          // assistant
  std::vector<ToolResponse> tool_responses = {};  // assistant: answers to its own calls; tool: exactly one
};

struct Conversation {
  std::vector<Message> messages;
  std::vector<Json> tools;  // {"type": "function", "function": {"name", "description", "parameters", ...}}
};

// A conversation from a list of messages, or from {"messages": [...], "tools": [...]}. The role "model" is
// read as "assistant"; "reasoning" goes before "reasoning_content"; unknown members are ignored. Errors
// (kInvalidFile unless said) name the message: no list, no messages, unknown role (kUsage), content that is
// neither text nor parts, arguments that are a JSON string (kUsage), members that do not belong to the role.
Result<Conversation> parse_conversation(std::string_view json, const std::string& where);

}  // namespace gemma
