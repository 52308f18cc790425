// JSON files, read strictly: one value, UTF-8 without byte order mark, no key twice, bounded in size and
// depth.
//
// nlohmann's own reader keeps the last of two equal keys, skips a byte order mark and nests without limit
// (destroying or copying a deep value then recurses); a model's config.json needs none of that.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "loader/result.h"

namespace gemma {

struct JsonLimits {
  size_t bytes = size_t{100} << 20;
  size_t depth = 32;  // objects and arrays inside each other
};

// `where` names the text in errors. kInvalidFile for everything but memory (kResource).
Result<nlohmann::json> parse_json(std::string_view text, const std::string& where,
                                  const JsonLimits& limits = {});
Result<nlohmann::json> read_json(const std::string& path, const JsonLimits& limits = {});

// A syntax error that nlohmann's parser reports, in our words: 'not valid JSON at byte 17, near
// "\"t\":tru}"'. Of what was read last, which can be the whole text, the end is shown.
std::string json_syntax_error(size_t position, std::string_view last_read);

}  // namespace gemma
