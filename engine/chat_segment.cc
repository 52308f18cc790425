#include "engine/chat_segment.h"

#include <array>
#include <utility>

namespace gemma {
namespace {

constexpr std::array kMarkers = {
    marker::kBos,       marker::kEos,          marker::kTurnOpen,      marker::kTurnClose, marker::kThink,
    marker::kCallOpen,  marker::kChannelOpen,  marker::kChannelClose,  marker::kToolOpen,  marker::kToolClose,
    marker::kCallClose, marker::kResponseOpen, marker::kResponseClose, marker::kQuote,     marker::kImage,
    marker::kAudio,     marker::kVideo,
};

// The marker that `text` begins with, or nothing. No marker is the beginning of another.
std::string_view leading_marker(std::string_view text) {
  for (const std::string_view marker : kMarkers) {
    if (text.starts_with(marker)) return marker;
  }
  return {};
}

}  // namespace

std::span<const std::string_view> all_markers() {
  return kMarkers;
}

SegmentWriter& SegmentWriter::text(std::string_view text) {
  if (error_ || text.empty()) return *this;
  if (segments_.empty() || segments_.back().is_control) segments_.push_back({});
  segments_.back().text += text;
  return *this;
}

SegmentWriter& SegmentWriter::control(std::string_view marker) {
  if (!error_) segments_.push_back({std::string(marker), true});
  return *this;
}

SegmentWriter& SegmentWriter::quoted(std::string_view text) {
  control(marker::kQuote);
  this->text(text);
  return control(marker::kQuote);
}

void SegmentWriter::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

Result<std::vector<Segment>> SegmentWriter::take() {
  if (error_) return gemma::fail(*std::exchange(error_, std::nullopt));
  return std::exchange(segments_, {});
}

std::string join(std::span<const Segment> segments) {
  std::string text;
  for (const Segment& segment : segments) text += segment.text;
  return text;
}

std::vector<Segment> split_markers(std::string_view text) {
  std::vector<Segment> segments;
  size_t begin = 0;
  const auto add_plain = [&](size_t end) {
    if (end > begin) segments.push_back({std::string(text.substr(begin, end - begin)), false});
  };
  for (size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at)) {
    const std::string_view marker = leading_marker(text.substr(at));
    if (marker.empty()) {
      ++at;
      continue;
    }
    add_plain(at);
    segments.push_back({std::string(marker), true});
    at += marker.size();
    begin = at;
  }
  add_plain(text.size());
  return segments;
}

}  // namespace gemma
