// From a rendered conversation to token ids, safe against injection: markers are looked up by their id, all
// other text is encoded with special tokens off. "<turn|>" typed by a user, a tool or a document stays seven
// letters.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/chat_segment.h"
#include "engine/chat_template.h"
#include "loader/result.h"
#include "loader/tokenizer.h"

namespace gemma {

// Errors: kMismatch for a marker that the tokenizer does not have, kUnsupported for media (this engine reads
// text).
Result<std::vector<int32_t>> encode_segments(const Tokenizer& tokenizer, std::span<const Segment> segments);

// Renders and encodes. The result begins with the one <bos> that the template writes; add no second.
Result<std::vector<int32_t>> encode_chat(const Tokenizer& tokenizer, std::span<const Message> messages,
                                         const ChatOptions& options);

}  // namespace gemma
