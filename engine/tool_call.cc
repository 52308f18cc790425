#include "engine/tool_call.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/chat_text.h"

namespace gemma {
namespace {

void write_nested(const Json& value, KeyStyle keys, size_t depth, const std::string& where,
                  SegmentWriter& out);

void write_members(const Json& object, KeyStyle keys, size_t depth, const std::string& where,
                   SegmentWriter& out) {
  out.text("{");
  bool first = true;
  for (const auto& [key, value] : sorted_members(object)) {
    if (!std::exchange(first, false)) out.text(",");
    if (keys == KeyStyle::kQuoted) {
      out.quoted(key);
    } else {
      out.text(key);
    }
    out.text(":");
    write_nested(*value, keys, depth + 1, where, out);
  }
  out.text("}");
}

void write_nested(const Json& value, KeyStyle keys, size_t depth, const std::string& where,
                  SegmentWriter& out) {
  if (depth > kMaxJsonDepth) {
    out.fail({ErrorCode::kUsage, where, fmt::format("nested deeper than {} levels", kMaxJsonDepth), {}});
    return;
  }
  switch (value.type()) {
    case Json::value_t::object:
      write_members(value, keys, depth, where, out);
      return;
    case Json::value_t::array: {
      out.text("[");
      for (size_t i = 0; i < value.size(); ++i) {
        if (i > 0) out.text(",");
        write_nested(value[i], keys, depth + 1, where, out);
      }
      out.text("]");
      return;
    }
    case Json::value_t::string:
      out.quoted(value.get_ref<const std::string&>());
      return;
    case Json::value_t::boolean:
      out.text(value.get<bool>() ? "true" : "false");
      return;
    case Json::value_t::null:
      out.text("null");
      return;
    default: {
      const Result<std::string> number = printed(value, where);
      if (!number) {
        out.fail(number.error());
        return;
      }
      out.text(*number);
    }
  }
}

}  // namespace

std::vector<std::pair<std::string_view, const Json*>> sorted_members(const Json& object) {
  std::vector<std::pair<std::string_view, const Json*>> members;
  if (!object.is_object()) return members;
  for (const auto& [key, value] : object.get_ref<const Json::object_t&>()) members.emplace_back(key, &value);
  std::stable_sort(members.begin(), members.end(),
                   [](const auto& a, const auto& b) { return less_ignoring_case(a.first, b.first); });
  return members;
}

Result<std::string> printed(const Json& scalar, const std::string& where) {
  switch (scalar.type()) {
    case Json::value_t::null:
      return "None";
    case Json::value_t::boolean:
      return scalar.get<bool>() ? "True" : "False";
    case Json::value_t::string:
      return scalar.get<std::string>();
    case Json::value_t::number_integer:
      return fmt::format("{}", scalar.get<int64_t>());
    case Json::value_t::number_unsigned:
      return fmt::format("{}", scalar.get<uint64_t>());
    case Json::value_t::number_float:
      return float_text(scalar.get<double>());
    default:
      return fail(ErrorCode::kUsage, where,
                  fmt::format("expected text or a number, found {}", scalar.type_name()));
  }
}

void write_value(const Json& value, KeyStyle keys, const std::string& where, SegmentWriter& out) {
  write_nested(value, keys, 1, where, out);
}

void write_tool_call(const ToolCall& call, const std::string& where, SegmentWriter& out) {
  if (!call.arguments.is_object() && !call.arguments.is_null()) {
    out.fail({ErrorCode::kUsage, where + ".arguments",
              fmt::format("expected a JSON object, found {}", call.arguments.type_name()),
              "parse the arguments before they go into the conversation"});
    return;
  }
  out.control(marker::kCallOpen).text("call:").text(call.name);
  write_members(call.arguments, KeyStyle::kBare, 1, where + ".arguments", out);
  out.control(marker::kCallClose);
}

void write_tool_response(std::string_view name, const Json& response, const std::string& where,
                         SegmentWriter& out) {
  out.control(marker::kResponseOpen).text("response:").text(name);
  if (response.is_object()) {
    write_members(response, KeyStyle::kBare, 1, where, out);
  } else {
    out.text("{value:");
    write_nested(response, KeyStyle::kBare, 2, where, out);
    out.text("}");
  }
  out.control(marker::kResponseClose);
}

}  // namespace gemma
