#include "engine/chat_output.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "engine/tool_call.h"

namespace gemma {
namespace {

// The first line of a channel names it. A channel without this name is thought, first line included.
constexpr std::string_view kThoughtLine = "thought\n";

bool is_end(std::string_view marker) {
  return marker == marker::kTurnClose || marker == marker::kEos || marker == marker::kResponseOpen;
}

// Markers that cannot stand inside a call: one that has not been closed ends where they come.
bool breaks_call(std::string_view marker) {
  return is_end(marker) || marker == marker::kCallOpen || marker == marker::kChannelOpen;
}

void append(std::vector<OutputEvent>& events, std::vector<OutputEvent> more) {
  for (OutputEvent& event : more) events.push_back(std::move(event));
}

}  // namespace

OutputSplitter::OutputSplitter(bool in_thought) : state_(in_thought ? State::kThought : State::kAnswer) {}

std::vector<OutputEvent> OutputSplitter::push(const Segment& piece) {
  if (state_ == State::kCall &&
      !(piece.is_control && (breaks_call(piece.text) || piece.text == marker::kCallClose))) {
    take_call_piece(piece);
  } else if (piece.is_control) {
    take_marker(piece.text);
  } else if (!piece.text.empty()) {
    take_text(piece.text);
  }
  return std::exchange(events_, {});
}

std::vector<OutputEvent> OutputSplitter::finish() {
  if (state_ == State::kCall) leave_call(false);
  if (state_ == State::kChannelName || state_ == State::kThought) leave_channel();
  return std::exchange(events_, {});
}

void OutputSplitter::take_text(const std::string& text) {
  switch (state_) {
    case State::kAnswer:
      events_.push_back(AnswerText{text});
      return;
    case State::kThought:
      take_thought(text);
      return;
    case State::kChannelName: {
      channel_name_ += text;
      if (kThoughtLine.starts_with(channel_name_) && channel_name_ != kThoughtLine) return;
      state_ = State::kThought;
      std::string first = std::exchange(channel_name_, {});
      if (first.starts_with(kThoughtLine)) first.erase(0, kThoughtLine.size());
      take_thought(std::move(first));
      return;
    }
    case State::kCall:
    case State::kSkippedCall:
    case State::kEnded:
      return;
  }
}

void OutputSplitter::take_thought(std::string text) {
  if (text.empty()) return;
  if (std::exchange(held_newline_, false)) text.insert(0, 1, '\n');
  if (text.back() == '\n') {
    held_newline_ = true;
    text.pop_back();
  }
  if (!text.empty()) events_.push_back(ThoughtText{std::move(text)});
}

void OutputSplitter::take_marker(const std::string& marker) {
  const bool closes_call = marker == marker::kCallClose;
  const bool closes_channel = marker == marker::kChannelClose;
  if (state_ == State::kEnded || !(breaks_call(marker) || closes_call || closes_channel)) return;
  if (state_ == State::kSkippedCall && closes_channel) return;
  if (state_ == State::kCall) leave_call(closes_call);
  if (state_ == State::kChannelName || state_ == State::kThought) {
    if (closes_call) return;
    leave_channel();
  }
  state_ = state_after(marker);
}

OutputSplitter::State OutputSplitter::state_after(std::string_view marker) {
  if (is_end(marker)) return State::kEnded;
  if (marker == marker::kChannelOpen) return State::kChannelName;
  return marker == marker::kCallOpen ? State::kCall : State::kAnswer;
}

void OutputSplitter::leave_channel() {
  // A channel that ends within its first line: only its name, or a thought without one.
  if (state_ == State::kChannelName && !channel_name_.empty() && channel_name_ != "thought") {
    events_.push_back(ThoughtText{channel_name_});
  }
  channel_name_.clear();
  held_newline_ = false;
}

void OutputSplitter::take_call_piece(const Segment& piece) {
  call_bytes_ += piece.text.size();
  if (call_bytes_ > kMaxCallBytes) {
    events_.push_back(
        Error{ErrorCode::kInvalidFile, "tool call", fmt::format("longer than {} bytes", kMaxCallBytes), {}});
    call_.clear();
    call_bytes_ = 0;
    state_ = State::kSkippedCall;
    return;
  }
  // Text arrives token by token; joining it keeps the list short.
  if (!piece.is_control && !call_.empty() && !call_.back().is_control) {
    call_.back().text += piece.text;
  } else {
    call_.push_back(piece);
  }
}

void OutputSplitter::leave_call(bool is_complete) {
  const std::vector<Segment> pieces = std::exchange(call_, {});
  call_bytes_ = 0;
  if (!is_complete) {
    events_.push_back(Error{ErrorCode::kInvalidFile,
                            "tool call",
                            fmt::format("not finished: \"{}\"", join(pieces).substr(0, 200)),
                            {}});
    return;
  }
  Result<ToolCall> call = parse_tool_call(pieces);
  if (call) {
    events_.push_back(std::move(*call));
  } else {
    events_.push_back(call.error());
  }
}

ChatStream::ChatStream(const Tokenizer& tokenizer, bool in_thought)
    : decoder_(tokenizer, true), splitter_(in_thought) {
  for (const std::string_view marker : all_markers()) {
    if (const std::optional<int32_t> id = tokenizer.id_of(marker)) markers_.emplace(*id, marker);
  }
}

std::vector<OutputEvent> ChatStream::push(int32_t id) {
  const auto marker = markers_.find(id);
  if (marker == markers_.end()) return splitter_.push({decoder_.push(id), false});
  std::vector<OutputEvent> events = splitter_.push({decoder_.finish(), false});
  append(events, splitter_.push({std::string(marker->second), true}));
  return events;
}

std::vector<OutputEvent> ChatStream::finish() {
  std::vector<OutputEvent> events = splitter_.push({decoder_.finish(), false});
  append(events, splitter_.finish());
  return events;
}

void ChatOutput::add(OutputEvent event) {
  if (const auto* part = std::get_if<ThoughtText>(&event)) thought += part->text;
  if (const auto* part = std::get_if<AnswerText>(&event)) answer += part->text;
  if (auto* call = std::get_if<ToolCall>(&event)) calls.push_back(std::move(*call));
  if (auto* error = std::get_if<Error>(&event)) errors.push_back(std::move(*error));
}

Message ChatOutput::message() const {
  Message message;
  message.role = Role::kAssistant;
  message.content = answer;
  message.reasoning = thought;
  message.tool_calls = calls;
  return message;
}

ChatOutput split_output(std::span<const Segment> output, bool in_thought) {
  OutputSplitter splitter(in_thought);
  ChatOutput result;
  for (const Segment& piece : output) {
    for (OutputEvent& event : splitter.push(piece)) result.add(std::move(event));
  }
  for (OutputEvent& event : splitter.finish()) result.add(std::move(event));
  return result;
}

}  // namespace gemma
