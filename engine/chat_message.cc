#include "engine/chat_message.h"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace gemma {
namespace {

constexpr std::array<std::pair<std::string_view, Role>, 6> kRoles = {{{"system", Role::kSystem},
                                                                      {"developer", Role::kDeveloper},
                                                                      {"user", Role::kUser},
                                                                      {"assistant", Role::kAssistant},
                                                                      {"tool", Role::kTool},
                                                                      {"model", Role::kAssistant}}};

constexpr std::array<std::pair<std::string_view, Part::Kind>, 6> kPartKinds = {
    {{"text", Part::Kind::kText},
     {"image", Part::Kind::kImage},
     {"image_url", Part::Kind::kImage},
     {"audio", Part::Kind::kAudio},
     {"input_audio", Part::Kind::kAudio},
     {"video", Part::Kind::kVideo}}};

Failure invalid(const std::string& where, std::string what, std::string hint = {}) {
  return fail(ErrorCode::kInvalidFile, where, std::move(what), std::move(hint));
}

// The string member, or an empty one if it is absent or null.
Result<std::string> read_string(const Json& object, std::string_view key, const std::string& where) {
  const Json& value = member(object, key);
  if (value.is_null()) return std::string();
  if (!value.is_string()) {
    return invalid(fmt::format("{}.{}", where, key),
                   fmt::format("expected a string, found {}", value.type_name()));
  }
  return value.get<std::string>();
}

Result<Role> read_role(const Json& message, const std::string& where) {
  Result<std::string> name = read_string(message, "role", where);
  if (!name) return fail(name.error());
  for (const auto& [known, role] : kRoles) {
    if (*name == known) return role;
  }
  return fail(ErrorCode::kUsage, where + ".role", fmt::format("unknown role \"{}\"", *name),
              "roles are system, developer, user, assistant and tool");
}

Result<Part> read_part(const Json& json, const std::string& where) {
  if (!json.is_object())
    return invalid(where, fmt::format("expected a content part, found {}", json.type_name()));
  Result<std::string> type = read_string(json, "type", where);
  if (!type) return fail(type.error());
  for (const auto& [known, kind] : kPartKinds) {
    if (*type != known) continue;
    if (kind != Part::Kind::kText) return Part{kind, {}};
    Result<std::string> text = read_string(json, "text", where);
    if (!text) return fail(text.error());
    return Part{kind, std::move(*text)};
  }
  return fail(ErrorCode::kUnsupported, where + ".type", fmt::format("unknown content part \"{}\"", *type),
              "parts are text, image, audio and video");
}

Result<Content> read_content(const Json& json, const std::string& where) {
  if (json.is_null()) return Content(std::string());
  if (json.is_string()) return Content(json.get<std::string>());
  if (!json.is_array()) {
    return invalid(where, fmt::format("expected a string or a list of parts, found {}", json.type_name()));
  }
  std::vector<Part> parts;
  for (size_t i = 0; i < json.size(); ++i) {
    Result<Part> part = read_part(json[i], fmt::format("{}[{}]", where, i));
    if (!part) return fail(part.error());
    parts.push_back(std::move(*part));
  }
  return Content(std::move(parts));
}

Result<ToolCall> read_call(const Json& json, const std::string& where) {
  const Json& function = member(json, "function");
  if (!function.is_object()) return invalid(where, "expected an object with a member \"function\"");
  Result<std::string> id = read_string(json, "id", where);
  if (!id) return fail(id.error());
  Result<std::string> name = read_string(function, "name", where + ".function");
  if (!name) return fail(name.error());
  if (name->empty()) return invalid(where + ".function.name", "missing or empty");
  const Json& arguments = member(function, "arguments");
  if (!arguments.is_object() && !arguments.is_null()) {
    return fail(ErrorCode::kUsage, where + ".function.arguments",
                fmt::format("expected a JSON object, found {}", arguments.type_name()),
                "parse the arguments before they go into the conversation");
  }
  return ToolCall{std::move(*id), std::move(*name), arguments};
}

Result<ToolResponse> read_embedded_response(const Json& json, const std::string& where) {
  if (!json.is_object()) return invalid(where, fmt::format("expected an object, found {}", json.type_name()));
  Result<std::string> name = read_string(json, "name", where);
  if (!name) return fail(name.error());
  return ToolResponse{{}, std::move(*name), member(json, "response")};
}

// The answer of a tool message: its text (parts are joined as they are), a map, or whatever value it is.
Result<ToolResponse> read_tool_message(const Json& json, const std::string& where) {
  Result<std::string> id = read_string(json, "tool_call_id", where);
  if (!id) return fail(id.error());
  Result<std::string> name = read_string(json, "name", where);
  if (!name) return fail(name.error());
  const Json& content = member(json, "content");
  if (!content.is_array()) return ToolResponse{std::move(*id), std::move(*name), content};
  Result<Content> parts = read_content(content, where + ".content");
  if (!parts) return fail(parts.error());
  std::string text;
  for (const Part& part : std::get<std::vector<Part>>(*parts)) {
    if (part.kind != Part::Kind::kText) {
      return fail(ErrorCode::kUnsupported, where + ".content", "a tool answers with text only");
    }
    text += part.text;
  }
  return ToolResponse{std::move(*id), std::move(*name), std::move(text)};
}

Result<std::vector<ToolCall>> read_calls(const Json& message, const std::string& where) {
  std::vector<ToolCall> calls;
  const Json& list = member(message, "tool_calls");
  if (!list.is_array() && !list.is_null()) return invalid(where + ".tool_calls", "expected a list");
  for (size_t i = 0; i < list.size(); ++i) {
    Result<ToolCall> call = read_call(list[i], fmt::format("{}.tool_calls[{}]", where, i));
    if (!call) return fail(call.error());
    calls.push_back(std::move(*call));
  }
  return calls;
}

Result<std::vector<ToolResponse>> read_responses(const Json& message, const std::string& where) {
  std::vector<ToolResponse> responses;
  const Json& list = member(message, "tool_responses");
  if (!list.is_array() && !list.is_null()) return invalid(where + ".tool_responses", "expected a list");
  for (size_t i = 0; i < list.size(); ++i) {
    Result<ToolResponse> response =
        read_embedded_response(list[i], fmt::format("{}.tool_responses[{}]", where, i));
    if (!response) return fail(response.error());
    responses.push_back(std::move(*response));
  }
  return responses;
}

Result<Message> read_message(const Json& json, const std::string& where) {
  if (!json.is_object()) return invalid(where, fmt::format("expected a message, found {}", json.type_name()));
  Result<Role> role = read_role(json, where);
  if (!role) return fail(role.error());
  Message message;
  message.role = *role;
  if (message.role == Role::kTool) {
    Result<ToolResponse> response = read_tool_message(json, where);
    if (!response) return fail(response.error());
    message.tool_responses.push_back(std::move(*response));
    return message;
  }
  Result<Content> content = read_content(member(json, "content"), where + ".content");
  if (!content) return fail(content.error());
  message.content = std::move(*content);
  for (const std::string_view key : {"reasoning", "reasoning_content"}) {
    if (!message.reasoning.empty()) break;
    Result<std::string> reasoning = read_string(json, key, where);
    if (!reasoning) return fail(reasoning.error());
    message.reasoning = std::move(*reasoning);
  }
  Result<std::vector<ToolCall>> calls = read_calls(json, where);
  if (!calls) return fail(calls.error());
  message.tool_calls = std::move(*calls);
  Result<std::vector<ToolResponse>> responses = read_responses(json, where);
  if (!responses) return fail(responses.error());
  message.tool_responses = std::move(*responses);
  return message;
}

}  // namespace

std::string_view to_string(Role role) {
  for (const auto& [name, known] : kRoles) {
    if (known == role) return name;
  }
  return "unknown";
}

Result<Conversation> parse_conversation(std::string_view json, const std::string& where) {
  Result<Json> root = parse_ordered_json(json, where);
  if (!root) return fail(root.error());
  const Json& messages = root->is_array() ? *root : member(*root, "messages");
  if (!messages.is_array()) {
    return invalid(where, "expected a list of messages or an object with a list \"messages\"");
  }
  if (messages.empty()) return invalid(where, "a conversation without messages");
  Conversation conversation;
  for (size_t i = 0; i < messages.size(); ++i) {
    Result<Message> message = read_message(messages[i], fmt::format("{}: messages[{}]", where, i));
    if (!message) return fail(message.error());
    conversation.messages.push_back(std::move(*message));
  }
  const Json& tools = member(*root, "tools");
  if (!tools.is_array() && !tools.is_null()) return invalid(where + ": tools", "expected a list");
  for (const Json& tool : tools) conversation.tools.push_back(tool);
  return conversation;
}

}  // namespace gemma
