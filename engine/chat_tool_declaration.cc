#include "engine/chat_tool_declaration.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "engine/chat_text.h"
#include "engine/tool_call.h"

namespace gemma {
namespace {

constexpr std::array<std::string_view, 5> kSchemaKeys = {"description", "type", "properties", "required",
                                                         "nullable"};

void fail_usage(const std::string& where, std::string what, std::string hint, SegmentWriter& out) {
  out.fail({ErrorCode::kUsage, where, std::move(what), std::move(hint)});
}

void write_printed(const Json& scalar, const std::string& where, SegmentWriter& out) {
  const Result<std::string> text = printed(scalar, where);
  if (!text) {
    out.fail(text.error());
    return;
  }
  out.text(*text);
}

// Commas between the members of one map.
class Members {
 public:
  explicit Members(SegmentWriter& out) : out_(out) {}
  SegmentWriter& next(std::string_view name) {
    if (!std::exchange(first_, false)) out_.text(",");
    return out_.text(name).text(":");
  }

 private:
  SegmentWriter& out_;
  bool first_ = true;
};

void write_required(const Json& names, const std::string& where, SegmentWriter& out) {
  if (!names.is_array()) return fail_usage(where, "expected a list of names", {}, out);
  out.text("[");
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out.text(",");
    out.control(marker::kQuote);
    write_printed(names[i], where, out);
    out.control(marker::kQuote);
  }
  out.text("]");
}

// The upper-case name of a schema's type, empty if it has none. Several types ("type": ["integer", "null"])
// are printed as Python prints a list.
Result<std::string> type_name(const Json& schema, const std::string& schema_place) {
  if (!schema.is_object() || !schema.contains("type")) return std::string();
  const Json& type = member(schema, "type");
  const std::string where = schema_place + ".type";
  if (!type.is_structured()) {
    const Result<std::string> name = printed(type, where);
    return name ? Result<std::string>(upper(*name)) : name;
  }
  std::string list;
  for (const Json& one : type) {
    const bool plain =
        type.is_array() && one.is_string() &&
        std::ranges::all_of(one.get_ref<const std::string&>(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        });
    if (!plain) return fail(ErrorCode::kUsage, where, "expected the name of a type or a list of names");
    list += fmt::format("{}'{}'", list.empty() ? "" : ", ", upper(one.get_ref<const std::string&>()));
  }
  return "[" + list + "]";
}

// Inside `items` a list of types is a list of strings.
void write_type_list(const Json& types, const std::string& where, SegmentWriter& out) {
  const bool plain =
      types.is_array() && std::ranges::all_of(types, [](const Json& one) { return one.is_string(); });
  if (!plain) return fail_usage(where, "expected the name of a type or a list of names", {}, out);
  out.text("[");
  for (size_t i = 0; i < types.size(); ++i) {
    if (i > 0) out.text(",");
    out.quoted(upper(types[i].get_ref<const std::string&>()));
  }
  out.text("]");
}

void write_properties(const Json& properties, bool skip_schema_keys, size_t depth, const std::string& where,
                      SegmentWriter& out);

void write_items(const Json& items, size_t depth, const std::string& where, SegmentWriter& out) {
  out.text("{");
  Members members(out);
  for (const auto& [key, value] : sorted_members(items)) {
    if (value->is_null()) continue;
    const std::string inner = fmt::format("{}.{}", where, key);
    members.next(key);
    if (key == "properties") {
      out.text("{");
      write_properties(*value, false, depth + 1, inner, out);
      out.text("}");
    } else if (key == "required") {
      write_required(*value, inner, out);
    } else if (key == "type" && value->is_string()) {
      out.quoted(upper(value->get_ref<const std::string&>()));
    } else if (key == "type") {
      write_type_list(*value, inner, out);
    } else {
      write_value(*value, KeyStyle::kQuoted, inner, out);
    }
  }
  out.text("}");
}

void write_property(const Json& schema, size_t depth, const std::string& where, SegmentWriter& out) {
  const Result<std::string> type = type_name(schema, where);
  if (!type) {
    out.fail(type.error());
    return;
  }
  out.text("{");
  Members members(out);
  if (const Json& description = member(schema, "description"); is_truthy(description)) {
    members.next("description").control(marker::kQuote);
    write_printed(description, where + ".description", out);
    out.control(marker::kQuote);
  }
  if (const Json& values = member(schema, "enum"); *type == "STRING" && is_truthy(values)) {
    members.next("enum");
    write_value(values, KeyStyle::kQuoted, where + ".enum", out);
  }
  if (const Json& items = member(schema, "items"); *type == "ARRAY" && items.is_object() && !items.empty()) {
    members.next("items");
    write_items(items, depth + 1, where + ".items", out);
  }
  if (is_truthy(member(schema, "nullable"))) members.next("nullable").text("true");
  if (*type == "OBJECT") {
    const Json& properties = member(schema, "properties");
    members.next("properties").text("{");
    write_properties(properties.is_object() ? properties : schema, !properties.is_object(), depth + 1,
                     where + ".properties", out);
    out.text("}");
    if (const Json& required = member(schema, "required"); is_truthy(required)) {
      members.next("required");
      write_required(required, where + ".required", out);
    }
  }
  members.next("type").quoted(*type);
  out.text("}");
}

void write_properties(const Json& properties, bool skip_schema_keys, size_t depth, const std::string& where,
                      SegmentWriter& out) {
  if (depth > kMaxJsonDepth) {
    return fail_usage(where, fmt::format("nested deeper than {} levels", kMaxJsonDepth), {}, out);
  }
  Members members(out);
  for (const auto& [key, schema] : sorted_members(properties)) {
    if (skip_schema_keys && std::ranges::find(kSchemaKeys, key) != kSchemaKeys.end()) continue;
    members.next(key);
    write_property(*schema, depth, fmt::format("{}.{}", where, key), out);
  }
}

void write_parameters(const Json& parameters, const std::string& where, SegmentWriter& out) {
  const Result<std::string> type = type_name(parameters, where);
  if (!type || type->empty()) {
    return fail_usage(where + ".type", "expected the type of the parameters", "add \"type\": \"object\"",
                      out);
  }
  out.text("{");
  Members members(out);
  if (const Json& properties = member(parameters, "properties"); is_truthy(properties)) {
    if (!properties.is_object()) return fail_usage(where + ".properties", "expected an object", {}, out);
    members.next("properties").text("{");
    write_properties(properties, false, 1, where + ".properties", out);
    out.text("}");
  }
  if (const Json& required = member(parameters, "required"); is_truthy(required)) {
    members.next("required");
    write_required(required, where + ".required", out);
  }
  members.next("type").quoted(*type);
  out.text("}");
}

void write_response(const Json& response, const std::string& where, SegmentWriter& out) {
  const Result<std::string> type = type_name(response, where);
  if (!type || *type != "OBJECT") {
    return fail_usage(where + ".type", "expected \"object\", the only response the template can declare",
                      "leave \"response\" out", out);
  }
  out.text("{");
  Members members(out);
  if (const Json& description = member(response, "description"); is_truthy(description)) {
    members.next("description").control(marker::kQuote);
    write_printed(description, where + ".description", out);
    out.control(marker::kQuote);
  }
  members.next("type").quoted(*type);
  out.text("}");
}

}  // namespace

void write_tool_declaration(const Json& tool, const std::string& where, SegmentWriter& out) {
  const Json& function = member(tool, "function");
  const Json& name = member(function, "name");
  if (!name.is_string() || name.get_ref<const std::string&>().empty()) {
    return fail_usage(where + ".function.name", "expected the name of the tool",
                      "a tool is {\"type\": \"function\", \"function\": {\"name\": ...}}", out);
  }
  out.control(marker::kToolOpen).text("declaration:").text(name.get_ref<const std::string&>()).text("{");
  Members members(out);
  members.next("description").control(marker::kQuote);
  // A description that is absent prints as nothing; one that is null would print as "None", which nobody
  // means.
  if (const Json& description = member(function, "description"); !description.is_null()) {
    write_printed(description, where + ".function.description", out);
  }
  out.control(marker::kQuote);
  if (const Json& parameters = member(function, "parameters"); is_truthy(parameters)) {
    members.next("parameters");
    write_parameters(parameters, where + ".function.parameters", out);
  }
  if (function.contains("response")) {
    members.next("response");
    write_response(member(function, "response"), where + ".function.response", out);
  }
  out.text("}").control(marker::kToolClose);
}

}  // namespace gemma
