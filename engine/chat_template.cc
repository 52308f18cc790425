#include "engine/chat_template.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "engine/chat_text.h"
#include "engine/chat_tool_declaration.h"
#include "engine/tool_call.h"

namespace gemma {
namespace {

bool is_system(Role role) {
  return role == Role::kSystem || role == Role::kDeveloper;
}

std::string place(size_t index) {
  return fmt::format("messages[{}]", index);
}

// What the format has no place for, as an error; the renderers below rely on it.
std::optional<Error> find_disorder(std::span<const Message> messages) {
  bool calls_are_open = false;  // a tool message may follow here
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    const auto usage = [&](std::string what, std::string hint) {
      return Error{ErrorCode::kUsage, place(i), std::move(what), std::move(hint)};
    };
    if (is_system(message.role) && i > 0) {
      return usage(fmt::format("a {} message that is not the first", to_string(message.role)),
                   "put it at the beginning of the conversation");
    }
    if (message.role == Role::kTool) {
      if (!calls_are_open)
        return usage("a tool message that answers no call", "it follows the calls it answers");
      if (message.tool_responses.size() != 1) return usage("a tool message without its one response", {});
      continue;
    }
    if (message.role != Role::kAssistant && !(message.tool_calls.empty() && message.tool_responses.empty())) {
      return usage(fmt::format("tool calls in a {} message", to_string(message.role)),
                   "only the assistant calls");
    }
    calls_are_open = !message.tool_calls.empty() && message.tool_responses.empty();
  }
  return std::nullopt;
}

std::string_view media_marker(Part::Kind kind) {
  switch (kind) {
    case Part::Kind::kImage:
      return marker::kImage;
    case Part::Kind::kAudio:
      return marker::kAudio;
    case Part::Kind::kVideo:
      return marker::kVideo;
    case Part::Kind::kText:
      break;
  }
  return {};
}

enum class Channels { kKeep, kRemove };

// Writes the content of a turn, every part trimmed by itself; returns whether anything but white space was
// written.
bool write_content(const Content& content, Channels channels, SegmentWriter& out) {
  bool any = false;
  const auto write_text = [&](std::string_view text) {
    const std::string trimmed =
        channels == Channels::kRemove ? strip_channels(text) : std::string(strip(text));
    out.text(trimmed);
    any = any || !trimmed.empty();
  };
  if (const auto* text = std::get_if<std::string>(&content)) {
    write_text(*text);
    return any;
  }
  for (const Part& part : std::get<std::vector<Part>>(content)) {
    if (part.kind == Part::Kind::kText) {
      write_text(part.text);
    } else {
      out.control(media_marker(part.kind));
      any = true;
    }
  }
  return any;
}

// The full format. What is written after a message depends on what follows it, so the renderer walks by
// index.
class Gemma4Renderer {
 public:
  Gemma4Renderer(std::span<const Message> messages, const ChatOptions& options)
      : messages_(messages), options_(options) {}

  Result<std::vector<Segment>> render() {
    out_.control(marker::kBos);
    write_system();
    for (size_t i = 0; i < messages_.size(); ++i) {
      if (messages_[i].role == Role::kUser) last_user_ = i;
    }
    for (size_t i = has_system() ? 1 : 0; i < messages_.size(); ++i) {
      if (messages_[i].role != Role::kTool) write_message(i);
    }
    if (options_.add_generation_prompt) write_generation_prompt();
    return out_.take();
  }

 private:
  enum class Last { kContent, kCall, kResponse };  // what the last message did with tools

  bool has_system() const { return !messages_.empty() && is_system(messages_.front().role); }

  void write_system() {
    if (!options_.thinking && options_.tools.empty() && !has_system()) return;
    out_.control(marker::kTurnOpen).text("system\n");
    if (options_.thinking) out_.control(marker::kThink).text("\n");
    if (has_system()) write_system_content(messages_.front().content);
    for (size_t i = 0; i < options_.tools.size(); ++i) {
      write_tool_declaration(options_.tools[i], fmt::format("tools[{}]", i), out_);
    }
    out_.control(marker::kTurnClose).text("\n");
  }

  // A list of parts gets a space after each, a single string none.
  void write_system_content(const Content& content) {
    if (const auto* text = std::get_if<std::string>(&content)) {
      out_.text(strip(*text));
      return;
    }
    for (const Part& part : std::get<std::vector<Part>>(content)) {
      if (part.kind != Part::Kind::kText) {
        out_.fail(
            {ErrorCode::kUnsupported, place(0), "media in a system message", "put it into a user message"});
      }
      out_.text(strip(part.text)).text(" ");
    }
  }

  void write_message(size_t index) {
    const Message& message = messages_[index];
    const bool is_model = message.role == Role::kAssistant;
    const bool continues_turn = is_model && last_role_ == Role::kAssistant;
    if (!continues_turn) out_.control(marker::kTurnOpen).text(is_model ? "model\n" : "user\n");
    write_reasoning(message, index);
    last_ = Last::kContent;
    write_calls(message, index);
    const bool answered = write_responses(message, index);
    const bool has_content =
        write_content(message.content, is_model ? Channels::kRemove : Channels::kKeep, out_);
    const std::optional<Role> next = next_speaker(index);
    if (last_ == Last::kCall) {
      out_.control(marker::kResponseOpen);  // the engine's turn: it has to fill the response in
    } else if (!(is_model && next == Role::kAssistant) && !(answered && !has_content && !next)) {
      out_.control(marker::kTurnClose).text("\n");
    }
    last_role_ = message.role;
  }

  void write_reasoning(const Message& message, size_t index) {
    const bool is_current = !last_user_ || index > *last_user_;
    const bool is_kept = options_.preserve_thinking && !message.tool_calls.empty();
    if (message.role != Role::kAssistant || message.reasoning.empty() || !(is_current || is_kept)) return;
    out_.control(marker::kChannelOpen).text("thought\n").text(message.reasoning).text("\n");
    out_.control(marker::kChannelClose);
  }

  void write_calls(const Message& message, size_t index) {
    for (size_t i = 0; i < message.tool_calls.size(); ++i) {
      write_tool_call(message.tool_calls[i], fmt::format("{}.tool_calls[{}]", place(index), i), out_);
      last_ = Last::kCall;
    }
  }

  // Answers stand in the message itself or in the tool messages that follow it.
  bool write_responses(const Message& message, size_t index) {
    const auto write = [&](const ToolResponse& response, std::string_view name, size_t at) {
      write_tool_response(name.empty() ? "unknown" : name, response.response, place(at), out_);
      last_ = Last::kResponse;
    };
    for (const ToolResponse& response : message.tool_responses) write(response, response.name, index);
    for (size_t i = index + 1; i < messages_.size() && messages_[i].role == Role::kTool; ++i) {
      const ToolResponse& response = messages_[i].tool_responses.front();
      write(response, called_name(message, response), i);
    }
    return last_ == Last::kResponse;
  }

  // The template finds the name by the call's id; calls and answers that have none count as equal, the last
  // wins.
  static std::string_view called_name(const Message& message, const ToolResponse& response) {
    std::string_view name = response.name;
    for (const ToolCall& call : message.tool_calls) {
      if (call.id == response.call_id) name = call.name;
    }
    return name;
  }

  std::optional<Role> next_speaker(size_t index) const {
    for (const Message& message : messages_.subspan(index + 1)) {
      if (message.role != Role::kTool) return message.role;
    }
    return std::nullopt;
  }

  void write_generation_prompt() {
    if (last_ == Last::kCall) return;
    if (last_ == Last::kResponse) {
      if (options_.thinking) out_.control(marker::kChannelOpen).text("thought\n");
      return;
    }
    out_.control(marker::kTurnOpen).text("model\n");
    // Large models think unless the channel is shut before they begin; small ones leak their thoughts if it
    // is.
    if (!options_.thinking && !options_.small_model) {
      out_.control(marker::kChannelOpen).text("thought\n").control(marker::kChannelClose);
    }
  }

  std::span<const Message> messages_;
  const ChatOptions& options_;
  SegmentWriter out_;
  std::optional<size_t> last_user_;  // index of the last user message
  std::optional<Role> last_role_;    // of the last message that was no tool's
  Last last_ = Last::kContent;
};

Result<std::vector<Segment>> render_turns_only(std::span<const Message> messages,
                                               const ChatOptions& options) {
  const auto unsupported = [](std::string where, std::string what) {
    return fail(ErrorCode::kUnsupported, std::move(where), std::move(what),
                "this model's chat template has plain turns only");
  };
  if (options.thinking) return unsupported({}, "thinking");
  if (!options.tools.empty()) return unsupported({}, "tools");
  SegmentWriter out;
  out.control(marker::kBos);
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role == Role::kTool || !message.tool_calls.empty())
      return unsupported(place(i), "tool calls");
    if (message.role == Role::kDeveloper) return unsupported(place(i), "a developer message");
    out.control(marker::kTurnOpen);
    out.text(message.role == Role::kAssistant ? "model" : to_string(message.role)).text("\n");
    write_content(message.content, Channels::kKeep, out);
    out.control(marker::kTurnClose).text("\n");
  }
  if (options.add_generation_prompt) out.control(marker::kTurnOpen).text("model\n");
  return out.take();
}

}  // namespace

Result<std::vector<Segment>> render_segments(std::span<const Message> messages, const ChatOptions& options) {
  if (const std::optional<Error> disorder = find_disorder(messages)) return fail(*disorder);
  if (options.style == ChatStyle::kTurnsOnly) return render_turns_only(messages, options);
  return Gemma4Renderer(messages, options).render();
}

Result<std::string> render_chat(std::span<const Message> messages, const ChatOptions& options) {
  Result<std::vector<Segment>> segments = render_segments(messages, options);
  if (!segments) return fail(segments.error());
  return join(*segments);
}

bool ends_in_thought(std::span<const Segment> prompt) {
  for (size_t i = prompt.size(); i-- > 0;) {
    if (prompt[i].is_control) return prompt[i].text == marker::kChannelOpen;
  }
  return false;
}

}  // namespace gemma
