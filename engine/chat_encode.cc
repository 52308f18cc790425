#include "engine/chat_encode.h"

#include <optional>

#include <fmt/format.h>

namespace gemma {

Result<std::vector<int32_t>> encode_segments(const Tokenizer& tokenizer, std::span<const Segment> segments) {
  std::vector<int32_t> ids;
  for (const Segment& segment : segments) {
    if (!segment.is_control) {
      const std::vector<int32_t> text_ids = tokenizer.encode(segment.text, SpecialTokens::kAsText);
      ids.insert(ids.end(), text_ids.begin(), text_ids.end());
      continue;
    }
    if (segment.text == marker::kImage || segment.text == marker::kAudio || segment.text == marker::kVideo) {
      return fail(ErrorCode::kUnsupported, "chat", "images, audio and video: this engine reads text only",
                  "leave the media parts out");
    }
    const std::optional<int32_t> id = tokenizer.id_of(segment.text);
    if (!id) {
      return fail(ErrorCode::kMismatch, "chat", fmt::format("the tokenizer has no token {}", segment.text),
                  "use the tokenizer of the model whose chat template this is");
    }
    ids.push_back(*id);
  }
  return ids;
}

Result<std::vector<int32_t>> encode_chat(const Tokenizer& tokenizer, std::span<const Message> messages,
                                         const ChatOptions& options) {
  const Result<std::vector<Segment>> segments = render_segments(messages, options);
  if (!segments) return fail(segments.error());
  return encode_segments(tokenizer, *segments);
}

}  // namespace gemma
