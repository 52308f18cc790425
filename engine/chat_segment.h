// A rendered prompt as a sequence of segments: marker tokens ("<|turn>") and the plain text between them.
// Keeping the two apart until they are token ids is what makes a prompt safe: a marker that somebody typed
// into a message is text, and text never becomes a marker.
//
//   SegmentWriter out;
//   out.control(marker::kTurnOpen).text("user\n").text(question).control(marker::kTurnClose);
//   Result<std::vector<Segment>> segments = out.take();
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace gemma {

// The marker tokens of Gemma 4, spelled as in its vocabulary.
namespace marker {
inline constexpr std::string_view kBos = "<bos>";
inline constexpr std::string_view kEos = "<eos>";
inline constexpr std::string_view kTurnOpen = "<|turn>";
inline constexpr std::string_view kTurnClose = "<turn|>";
inline constexpr std::string_view kThink = "<|think|>";
inline constexpr std::string_view kChannelOpen = "<|channel>";
inline constexpr std::string_view kChannelClose = "<channel|>";
inline constexpr std::string_view kToolOpen = "<|tool>";
inline constexpr std::string_view kToolClose = "<tool|>";
inline constexpr std::string_view kCallOpen = "<|tool_call>";
inline constexpr std::string_view kCallClose = "<tool_call|>";
inline constexpr std::string_view kResponseOpen = "<|tool_response>";
inline constexpr std::string_view kResponseClose = "<tool_response|>";
inline constexpr std::string_view kQuote = "<|\"|>";
inline constexpr std::string_view kImage = "<|image|>";
inline constexpr std::string_view kAudio = "<|audio|>";
inline constexpr std::string_view kVideo = "<|video|>";
}  // namespace marker

std::span<const std::string_view> all_markers();

struct Segment {
  std::string text;
  bool is_control = false;  // `text` is the spelling of one marker token
  bool operator==(const Segment&) const = default;
};

// Appends to a sequence of segments. Neighbouring plain text becomes one segment, for the byte-pair encoding
// of a text does not see where the template ends and the user's words begin. The first error stays; what is
// written after it is ignored.
class SegmentWriter {
 public:
  SegmentWriter& text(std::string_view text);
  SegmentWriter& control(std::string_view marker);
  SegmentWriter& quoted(std::string_view text);  // between two <|"|>
  void fail(Error error);
  Result<std::vector<Segment>> take();

 private:
  std::vector<Segment> segments_;
  std::optional<Error> error_;
};

// The text of all segments, markers spelled out: what the reference's template returns.
std::string join(std::span<const Segment> segments);

// The inverse for text that is trusted (logs, tests, a model's raw output): every marker that is spelled out
// counts as one.
std::vector<Segment> split_markers(std::string_view text);

}  // namespace gemma
