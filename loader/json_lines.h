// JSONL: one JSON object a line. Lines of nothing but blanks are skipped; an error names the line, from 1.
//
//   Result<void> read = for_each_json_line(path, limit, [](size_t line, const nlohmann::json& object) {
//     ...
//     return Result<void>();
//   });
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "loader/result.h"

namespace gemma {

using OnJsonLine = std::function<Result<void>(size_t line, const nlohmann::json& object)>;

// Ends at the first error, of the file or of `on_line`. kInvalidFile for a file above limit_bytes, a line
// that is no JSON (loader/json.h says what is strict about that) or no object.
Result<void> for_each_json_line(const std::string& path, uint64_t limit_bytes, const OnJsonLine& on_line);

// "file: line 7", the where of an error.
std::string at_line(const std::string& path, size_t line);

}  // namespace gemma
