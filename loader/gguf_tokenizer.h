// The tokenizer inside a GGUF file (tokenizer.ggml.*): pieces in id order, merges "left right", and a type
// for every piece. Gemma 4's is rank-based BPE ("gemma4"); its scores are all alike and are not read.
//
// Types: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. Those of types 2, 3 and 4 are the
// added tokens, cut out of a text before anything else. 2 and 3 are special; 4 is only where the piece is one
// of Gemma's marks ("<|tool_call>"): converters give those type 4 so that other programs print them, and a
// user's text must not spell one. HTML tags and runs of newlines of that type are plain.
#pragma once

#include <string_view>

#include "loader/gguf.h"
#include "loader/result.h"
#include "loader/tokenizer.h"

namespace gemma {

inline constexpr int kGgufNormal = 1;
inline constexpr int kGgufUnknown = 2;
inline constexpr int kGgufControl = 3;
inline constexpr int kGgufUserDefined = 4;
inline constexpr int kGgufUnused = 5;
inline constexpr int kGgufByte = 6;

// "<|tool_call>", "<tool_call|>", "<|\"|>": begins or ends as Gemma 4's marks do.
bool is_mark(std::string_view piece);

// Whether the file has a tokenizer at all.
bool has_gguf_tokenizer(const GgufFile& file);

// kUnsupported for another tokenizer.ggml.model; kInvalidFile for lists that contradict each other, and all
// that assemble_tokenizer refuses.
Result<Tokenizer> read_gguf_tokenizer(const GgufFile& file);

}  // namespace gemma
