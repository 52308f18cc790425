// The prompt format of Gemma 4, written out by hand: a conversation becomes the text that the model was
// trained on. There is no template engine; the checkpoint's own template is recognised
// (engine/chat_detect.h), not run. The rules are those of the template published with the models on
// 2026-07-09; docs/chat.md shows what is rendered when.
//
//   ChatOptions options;
//   options.small_model = true;
//   Result<std::string> prompt = render_chat(messages, options);
//   // <bos><|turn>user\nHello.<turn|>\n<|turn>model\n
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/chat_message.h"
#include "engine/chat_segment.h"
#include "loader/result.h"

namespace gemma {

enum class ChatStyle {
  kGemma4,     // the full format: system turn, thinking, tools
  kTurnsOnly,  // turns and nothing else, as the small model that ships with this project was trained
};

struct ChatOptions {
  ChatStyle style = ChatStyle::kGemma4;
  bool small_model =
      false;  // the model has per-layer embeddings (E2B, E4B): no closed channel when not thinking
  bool thinking = false;              // the model writes its thoughts before its answer
  bool preserve_thinking = false;     // keep the reasoning of earlier messages that call tools
  bool add_generation_prompt = true;  // end with the beginning of the model's answer
  std::vector<Json> tools;            // declared in the system turn
};

// The prompt, markers apart from text. It begins with one <bos>.
// Errors: kUsage for messages in an order that the format does not have (a system or developer message that
// is not the first, a tool message that answers no call), for tool calls of a role that makes none, and for
// tools that cannot be declared; kUnsupported for media in a system message and for tools or thinking with
// kTurnsOnly.
Result<std::vector<Segment>> render_segments(std::span<const Message> messages, const ChatOptions& options);

// The same as one string.
Result<std::string> render_chat(std::span<const Message> messages, const ChatOptions& options);

// Whether the model's first words continue a thought: the prompt ends inside an open channel.
bool ends_in_thought(std::span<const Segment> prompt);

}  // namespace gemma
