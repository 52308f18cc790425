// What the model writes, taken apart while it is written: thoughts, the answer, tool calls. It works on token
// ids, so a marker is a marker token and never a text that looks like one.
//
//   ChatStream stream(tokenizer, ends_in_thought(prompt));
//   for (each token id) for (const OutputEvent& event : stream.push(id)) show(event);
//   for (const OutputEvent& event : stream.finish()) show(event);
//
// The model's grammar: ( <|channel>thought\n TEXT \n<channel|> | TEXT | <|tool_call>CALL<tool_call|> )* and
// then <turn|>, <eos> or <|tool_response>, which ends a list of calls and asks for their answers. Whatever
// does not fit is read kindly: a channel is thought whatever its name, a stray closing marker counts for
// nothing, nothing after the end is read, an unfinished or broken call is an Error among the events and the
// rest goes on.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/chat_message.h"
#include "engine/chat_segment.h"
#include "loader/result.h"
#include "loader/tokenizer.h"

namespace gemma {

struct ThoughtText {
  std::string text;
};
struct AnswerText {
  std::string text;
};
using OutputEvent = std::variant<ThoughtText, AnswerText, ToolCall, Error>;

// The splitter proper, on markers and pieces of text in the order in which they are written.
class OutputSplitter {
 public:
  // A call longer than this is an error and is skipped.
  static constexpr size_t kMaxCallBytes = size_t{1} << 20;

  explicit OutputSplitter(bool in_thought = false);

  std::vector<OutputEvent> push(const Segment& piece);
  std::vector<OutputEvent> finish();
  bool ended() const { return state_ == State::kEnded; }  // an end marker has been seen

 private:
  enum class State { kAnswer, kChannelName, kThought, kCall, kSkippedCall, kEnded };

  void take_text(const std::string& text);
  void take_marker(const std::string& marker);
  void take_call_piece(const Segment& piece);
  void take_thought(std::string text);
  void leave_channel();
  void leave_call(bool is_complete);
  static State state_after(std::string_view marker);

  State state_;
  std::string channel_name_;   // the first line of a channel, while it can be its name
  bool held_newline_ = false;  // the last newline of a thought belongs to the closing marker
  std::vector<Segment> call_;  // pieces of the call being written
  size_t call_bytes_ = 0;
  std::vector<OutputEvent> events_;
};

// The splitter fed with token ids. The tokenizer must outlive it.
class ChatStream {
 public:
  ChatStream(const Tokenizer& tokenizer, bool in_thought);

  std::vector<OutputEvent> push(int32_t id);
  std::vector<OutputEvent> finish();
  bool ended() const { return splitter_.ended(); }

 private:
  std::map<int32_t, std::string_view> markers_;
  StreamDecoder decoder_;
  OutputSplitter splitter_;
};

// All of an output.
struct ChatOutput {
  std::string thought;
  std::string answer;
  std::vector<ToolCall> calls;
  std::vector<Error> errors;

  void add(OutputEvent event);
  // As the next message of the conversation.
  Message message() const;
};

ChatOutput split_output(std::span<const Segment> output, bool in_thought);

}  // namespace gemma
