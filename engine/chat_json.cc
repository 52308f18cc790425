#include "engine/chat_json.h"

#include <limits>
#include <optional>
#include <vector>

#include <fmt/format.h>

namespace gemma {
namespace {

// What breaks the limits, if anything. Looks at brackets, commas and strings only; the parser judges the
// rest.
std::optional<std::string> limit_broken(std::string_view text, size_t max_members) {
  struct Level {
    bool is_object;
    size_t n_commas;
  };
  std::vector<Level> levels;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (levels.size() == kMaxJsonDepth) {
        return fmt::format("nested deeper than {} levels at byte {}", kMaxJsonDepth, i);
      }
      levels.push_back({c == '{', 0});
    } else if ((c == '}' || c == ']') && !levels.empty()) {
      levels.pop_back();
    } else if (c == ',' && !levels.empty() && levels.back().is_object) {
      if (++levels.back().n_commas >= max_members) {
        return fmt::format("an object with more than {} members at byte {}", max_members, i);
      }
    }
  }
  return std::nullopt;
}

template <typename Value>
Result<Value> parse(std::string_view text, size_t max_members, const std::string& where) {
  if (const auto broken = limit_broken(text, max_members))
    return fail(ErrorCode::kInvalidFile, where, *broken);
  try {
    return Result<Value>(Value::parse(text));
  } catch (const nlohmann::json::exception& error) {
    return fail(ErrorCode::kInvalidFile, where, fmt::format("not valid JSON: {}", error.what()));
  }
}

}  // namespace

Result<Json> parse_ordered_json(std::string_view text, const std::string& where) {
  return parse<Json>(text, kMaxJsonMembers, where);
}

Result<nlohmann::json> parse_unordered_json(std::string_view text, const std::string& where) {
  return parse<nlohmann::json>(text, std::numeric_limits<size_t>::max(), where);
}

bool is_truthy(const Json& value) {
  switch (value.type()) {
    case Json::value_t::boolean:
      return value.get<bool>();
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
      return value.get<double>() != 0.0;
    case Json::value_t::string:
      return !value.get_ref<const std::string&>().empty();
    case Json::value_t::object:
    case Json::value_t::array:
      return !value.empty();
    default:
      return false;
  }
}

const Json& member(const Json& object, std::string_view key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  for (const auto& [name, value] : object.get_ref<const Json::object_t&>()) {
    if (name == key) return value;
  }
  return kNull;
}

}  // namespace gemma
