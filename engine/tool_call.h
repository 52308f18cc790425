// The syntax in which Gemma 4 reads and writes tool calls, both ways. Source: gemma's own chat template (V3).
//
//   call      <|tool_call>call:NAME{key:value,...}<tool_call|>
//   response  <|tool_response>response:NAME{key:value,...}<tool_response|>, or {value:VALUE} for what is no
//             map
//   value     <|"|>text<|"|> (nothing is escaped inside) | number | true | false | null | [v,v] |
//             {key:v,key:v}
//
// Keys are bare and sorted without regard to case; numbers are as Python prints them. `<|"|>` is a marker
// token, so no text inside a string can end it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/chat_message.h"
#include "engine/chat_segment.h"
#include "loader/result.h"

namespace gemma {

// Inside schemas (an enum, a default) the keys of a map are quoted, inside calls and responses they are bare.
enum class KeyStyle { kBare, kQuoted };

// Values nested deeper than kMaxJsonDepth make the writer fail; `where` names the value in that error.
void write_value(const Json& value, KeyStyle keys, const std::string& where, SegmentWriter& out);
// call.arguments: an object or null, else the writer fails (kUsage).
void write_tool_call(const ToolCall& call, const std::string& where, SegmentWriter& out);
void write_tool_response(std::string_view name, const Json& response, const std::string& where,
                         SegmentWriter& out);

// The members of an object (or none) in the order of Jinja's dictsort: by key, ignoring case, ties as in the
// file.
std::vector<std::pair<std::string_view, const Json*>> sorted_members(const Json& object);

// What a scalar looks like when a template prints it: None, True, 1.0, text. Lists and maps are an error
// (kUsage).
Result<std::string> printed(const Json& scalar, const std::string& where);

// Reads what stands between <|tool_call> and <tool_call|>. Spaces and newlines between tokens are skipped, a
// comma before a closing bracket is not. Errors are kInvalidFile and name the byte.
Result<ToolCall> parse_tool_call(std::span<const Segment> call);

// The same for text in which the quote marker is spelled out.
Result<ToolCall> parse_tool_call(std::string_view call);

}  // namespace gemma
