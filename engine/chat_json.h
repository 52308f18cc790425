// JSON from outside, read with bounds: nesting is limited before anything recurses over the value, and
// objects are limited in members because members are kept in file order and looked up one by one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "loader/result.h"

namespace gemma {

// Keeps the order of keys: two keys that differ in case only are declared in the order of the file.
using Json = nlohmann::ordered_json;

inline constexpr size_t kMaxJsonDepth = 64;
inline constexpr size_t kMaxJsonMembers = 1024;  // of one object that keeps its order

// kInvalidFile if the text is no JSON (with the parser's line and column), is nested deeper or has larger
// objects than the limits. Integers beyond 64 bits become floating-point numbers.
Result<Json> parse_ordered_json(std::string_view text, const std::string& where);

// The same for files that may have objects of any size, whose order of keys means nothing.
Result<nlohmann::json> parse_unordered_json(std::string_view text, const std::string& where);

// Python's truth: false for null, false, zero and everything empty.
bool is_truthy(const Json& value);
// The member, or null if `object` is none or lacks it.
const Json& member(const Json& object, std::string_view key);

}  // namespace gemma
