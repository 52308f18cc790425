#include "loader/json_lines.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "loader/file.h"
#include "loader/json.h"
#include "loader/json_fields.h"

namespace gemma {

std::string at_line(const std::string& path, size_t line) {
  return fmt::format("{}: line {}", path, line);
}

Result<void> for_each_json_line(const std::string& path, uint64_t limit_bytes, const OnJsonLine& on_line) {
  Result<std::string> text = read_text(path, limit_bytes);
  if (!text) return fail(std::move(text.error()));
  const std::string_view all = *text;
  size_t line = 0;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = std::min(all.find('\n', begin), all.size());
    const std::string_view one = all.substr(begin, end - begin);
    begin = end + 1;
    ++line;
    if (one.find_first_not_of(" \t\r") == one.npos) continue;
    Result<nlohmann::json> json = parse_json(one, at_line(path, line));
    if (!json) return fail(std::move(json.error()));
    if (!json->is_object()) {
      return fail(ErrorCode::kInvalidFile, at_line(path, line),
                  fmt::format("expected a JSON object, found {}", shown(*json)));
    }
    Result<void> taken = on_line(line, *json);
    if (!taken) return taken;
  }
  return {};
}

}  // namespace gemma
