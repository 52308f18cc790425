#include "tools/report/json_place.h"

#include <limits>

#include <fmt/format.h>

#include "loader/in_quotes.h"

namespace gemma {
namespace {

const nlohmann::json kNothing;

std::string in_words(const nlohmann::json& value) {
  switch (value.type()) {
    case nlohmann::json::value_t::null:
    case nlohmann::json::value_t::discarded:
      return "nothing";
    case nlohmann::json::value_t::object:
      return "an object";
    case nlohmann::json::value_t::array:
      return "a list";
    case nlohmann::json::value_t::string:
      return in_quotes(value.get_ref<const std::string&>());
    case nlohmann::json::value_t::binary:
      return "bytes";
    case nlohmann::json::value_t::boolean:
    case nlohmann::json::value_t::number_integer:
    case nlohmann::json::value_t::number_unsigned:
    case nlohmann::json::value_t::number_float:
      return value.dump();
  }
  return "?";
}

// A key of the file in a path of ours.
std::string shown(const std::string& key) {
  constexpr size_t kLongest = 40;
  for (const char c : key) {
    if (!(c == '_' || c == '-' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
          (c >= 'A' && c <= 'Z')))
      return in_quotes(key, kLongest);
  }
  return key.size() > kLongest ? in_quotes(key, kLongest) : key;
}

}  // namespace

void JsonReading::refuse(ErrorCode code, const std::string& path, const std::string& what) {
  if (error_) return;
  error_ = Error{code, path.empty() ? file_ : file_ + ": " + path, what,
                 "give what gemma-eval --json or gemma-bench --format json of this version wrote"};
}

void JsonPlace::expected(const std::string& expected, ErrorCode code) const {
  reading_->refuse(code, path_, fmt::format("expected {}, found {}", expected, in_words(*value_)));
}

bool JsonPlace::has(std::string_view key) const {
  if (!value_->is_object()) return false;
  const auto found = value_->find(key);
  return found != value_->end() && !found->is_null();
}

JsonPlace JsonPlace::at(std::string_view key) const {
  const std::string path = (path_.empty() ? "" : path_ + ".") + shown(std::string(key));
  if (!value_->is_object()) {
    expected("an object");
    return {kNothing, *reading_, path};
  }
  const auto found = value_->find(key);
  if (found == value_->end()) {
    reading_->refuse(ErrorCode::kInvalidFile, path, "expected a member of this name, found none");
    return {kNothing, *reading_, path};
  }
  return {*found, *reading_, path};
}

std::vector<JsonPlace> JsonPlace::items() const {
  std::vector<JsonPlace> out;
  if (!value_->is_array()) {
    expected("a list");
    return out;
  }
  for (size_t i = 0; i < value_->size(); ++i) {
    out.push_back({(*value_)[i], *reading_, fmt::format("{}[{}]", path_, i)});
  }
  return out;
}

std::vector<std::pair<std::string, JsonPlace>> JsonPlace::members() const {
  std::vector<std::pair<std::string, JsonPlace>> out;
  if (!value_->is_object()) {
    expected("an object");
    return out;
  }
  for (const auto& [key, value] : value_->items()) {
    out.emplace_back(key, JsonPlace(value, *reading_, (path_.empty() ? "" : path_ + ".") + shown(key)));
  }
  return out;
}

double JsonPlace::number() const {
  if (value_->is_number()) return value_->get<double>();
  if (!value_->is_null()) expected("a number");
  return std::numeric_limits<double>::quiet_NaN();
}

uint64_t JsonPlace::count() const {
  const bool fits =
      value_->is_number_unsigned() || (value_->is_number_integer() && value_->get<int64_t>() >= 0);
  if (fits) return value_->get<uint64_t>();
  expected("a whole number from 0 on");
  return 0;
}

int64_t JsonPlace::whole() const {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  const bool fits =
      value_->is_number_unsigned() ? value_->get<uint64_t>() <= kMost : value_->is_number_integer();
  if (fits) return value_->get<int64_t>();
  expected("a whole number");
  return 0;
}

bool JsonPlace::flag() const {
  if (value_->is_boolean()) return value_->get<bool>();
  expected("true or false");
  return false;
}

std::string JsonPlace::text() const {
  if (value_->is_string()) return value_->get<std::string>();
  expected("a text");
  return {};
}

std::string JsonPlace::word() const {
  if (value_->is_string()) return value_->get<std::string>();
  if (value_->is_number()) return value_->dump();
  if (!value_->is_null()) expected("a text or a number");
  return {};
}

std::vector<std::string> JsonPlace::texts() const {
  std::vector<std::string> out;
  for (const JsonPlace& item : items()) out.push_back(item.text());
  return out;
}

}  // namespace gemma
