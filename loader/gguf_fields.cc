#include "loader/gguf_fields.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace gemma {
namespace {

// A value in a message: "an array of 3 string".
std::string shown(const GgufValue& value) {
  return value.is_array ? fmt::format("an array of {} {}", value.count, gguf_type_name(value.type))
                        : fmt::format("a {}", gguf_type_name(value.type));
}

bool is_whole(GgufType type) {
  return type != GgufType::kString && type != GgufType::kArray && type != GgufType::kF32 &&
         type != GgufType::kF64;
}

}  // namespace

void GgufFields::invalid(std::string_view key, std::string_view what) const {
  problems_.add(ErrorCode::kInvalidFile, path(key), what);
}
void GgufFields::unsupported(std::string_view key, std::string_view what) const {
  problems_.add(ErrorCode::kUnsupported, path(key), what);
}

std::optional<std::vector<int64_t>> GgufFields::whole(std::string_view key, std::string_view wanted) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!is_whole(value->type)) {
    invalid(key, fmt::format("expected {}, found {}", wanted, shown(*value)));
    return std::nullopt;
  }
  return file_.integers(*value);
}

std::optional<int64_t> GgufFields::integer(std::string_view key, int64_t low, int64_t high) const {
  const auto found = whole(key, "a whole number");
  if (!found) return std::nullopt;
  if (found->size() != 1) {
    invalid(key, fmt::format("expected one number, found {}", found->size()));
    return std::nullopt;
  }
  if ((*found)[0] >= low && (*found)[0] <= high) return (*found)[0];
  invalid(key, fmt::format("expected {} to {}, found {}", low, high, (*found)[0]));
  return std::nullopt;
}

size_t GgufFields::size(std::string_view key) const {
  if (!has(key)) missing(key);
  return static_cast<size_t>(integer(key, 1, int64_t{1} << 31).value_or(1));
}

std::vector<int64_t> GgufFields::each(std::string_view key, size_t count, int64_t low, int64_t high) const {
  std::vector<int64_t> values(count, low);
  if (!has(key)) {
    missing(key);
    return values;
  }
  auto found = whole(key, "whole numbers");
  if (!found) return values;
  if (found->size() == 1) found->resize(count, (*found)[0]);
  if (found->size() != count) {
    invalid(key, fmt::format("expected one value or {}, found {}", count, found->size()));
    return values;
  }
  for (size_t i = 0; i < count; ++i) {
    if ((*found)[i] >= low && (*found)[i] <= high) continue;
    invalid(key, fmt::format("expected {} to {}, found {} at {}", low, high, (*found)[i], i));
    return values;
  }
  return *found;
}

std::optional<double> GgufFields::number(std::string_view key, double low, double high) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::vector<double> found = file_.numbers(*value);
  if (found.size() != 1) {
    invalid(key, "expected a number, found " + shown(*value));
    return std::nullopt;
  }
  if (std::isfinite(found[0]) && found[0] >= low && found[0] <= high) return found[0];
  invalid(key, fmt::format("expected {} to {}, found {}", low, high, found[0]));
  return std::nullopt;
}

std::optional<bool> GgufFields::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type == GgufType::kBool && !value->is_array) return file_.integers(*value)[0] != 0;
  invalid(key, "expected a boolean, found " + shown(*value));
  return std::nullopt;
}

std::optional<std::string_view> GgufFields::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type == GgufType::kString && !value->is_array) return file_.strings(*value)[0];
  invalid(key, "expected a string, found " + shown(*value));
  return std::nullopt;
}

std::vector<int32_t> GgufFields::ids(std::string_view key) const {
  std::vector<int32_t> ids;
  for (const int64_t id : whole(key, "ids").value_or(std::vector<int64_t>())) {
    if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
      invalid(key, fmt::format("expected ids of 0 to {}, found {}", std::numeric_limits<int32_t>::max(), id));
      return {};
    }
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

std::vector<std::string_view> GgufFields::strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  if (value->is_array && value->type == GgufType::kString) return file_.strings(*value);
  invalid(key, "expected an array of strings, found " + shown(*value));
  return {};
}

std::vector<int64_t> GgufFields::integers(std::string_view key) const {
  return whole(key, "whole numbers").value_or(std::vector<int64_t>());
}

}  // namespace gemma
