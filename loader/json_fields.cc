#include "loader/json_fields.h"

#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loader/in_quotes.h"

namespace gemma {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 31;

// Nothing if the value is no whole number or does not fit.
std::optional<int64_t> whole(const nlohmann::json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  return std::nullopt;
}

}  // namespace

std::string shown(const nlohmann::json& value) {
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>(), 40);
  if (value.is_array()) return fmt::format("an array of {}", value.size());
  if (value.is_object()) return "an object";
  return value.dump();
}

void Problems::add(ErrorCode code, std::string_view key, std::string_view what) {
  constexpr size_t kShown = 20;
  if (count_ == 0) code_ = code;
  if (count_++ < kShown) text_ += fmt::format("{}{}: {}", text_.empty() ? "" : "; ", key, what);
}

Failure Problems::failure(const std::string& where) const {
  constexpr size_t kShown = 20;
  return fail(code_, where,
              count_ <= kShown ? text_ : fmt::format("{}; and {} more", text_, count_ - kShown));
}

JsonFields::JsonFields(const nlohmann::json& object, std::string prefix, Problems& problems)
    : object_(&object), prefix_(std::move(prefix)), problems_(&problems) {}

const nlohmann::json* JsonFields::find(std::string_view key) const {
  if (!object_->is_object()) return nullptr;
  auto field = object_->find(key);
  return field == object_->end() || field->is_null() ? nullptr : &*field;
}

std::string JsonFields::path(std::string_view key) const {
  return prefix_ + std::string(key);
}

void JsonFields::invalid(std::string_view key, std::string_view what) const {
  problems_->add(ErrorCode::kInvalidFile, path(key), what);
}

void JsonFields::unsupported(std::string_view key, std::string_view what) const {
  problems_->add(ErrorCode::kUnsupported, path(key), what);
}

std::optional<int64_t> JsonFields::integer(std::string_view key, int64_t low, int64_t high) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::optional<int64_t> number = whole(*value);
  if (number && *number >= low && *number <= high) return number;
  invalid(key, fmt::format("expected a whole number from {} to {}, found {}", low, high, shown(*value)));
  return std::nullopt;
}

size_t JsonFields::size(std::string_view key, size_t absent) const {
  return static_cast<size_t>(integer(key, 1, kMaxSize).value_or(static_cast<int64_t>(absent)));
}

std::optional<double> JsonFields::number(std::string_view key, double low, double high) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) {
    const double number = value->get<double>();
    if (std::isfinite(number) && number >= low && number <= high) return number;
  }
  invalid(key, fmt::format("expected a number from {} to {}, found {}", low, high, shown(*value)));
  return std::nullopt;
}

std::optional<bool> JsonFields::boolean(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  invalid(key, "expected true or false, found " + shown(*value));
  return std::nullopt;
}

std::optional<std::string> JsonFields::string(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  invalid(key, "expected a string, found " + shown(*value));
  return std::nullopt;
}

std::vector<int32_t> JsonFields::ids(std::string_view key) const {
  constexpr int64_t kMaxId = std::numeric_limits<int32_t>::max();
  const nlohmann::json* value = find(key);
  if (value == nullptr) return {};
  std::vector<int32_t> ids;
  auto add = [&](const nlohmann::json& item) {
    const std::optional<int64_t> id = whole(item);
    if (!id || *id < 0 || *id > kMaxId) {
      invalid(key, fmt::format("expected token ids from 0 to {}, found {}", kMaxId, shown(item)));
      return false;
    }
    ids.push_back(static_cast<int32_t>(*id));
    return true;
  };
  if (!value->is_array()) {
    add(*value);
    return ids;
  }
  for (const nlohmann::json& item : *value) {
    if (!add(item)) break;
  }
  return ids;
}

JsonFields JsonFields::object(std::string_view key) const {
  static const nlohmann::json kEmpty = nlohmann::json::object();
  const nlohmann::json* value = find(key);
  if (value != nullptr && !value->is_object()) {
    invalid(key, "expected an object, found " + shown(*value));
    value = nullptr;
  }
  return JsonFields(value == nullptr ? kEmpty : *value, path(key) + ".", *problems_);
}

}  // namespace gemma
