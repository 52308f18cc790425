#include "loader/generation_config.h"

#include <limits>

#include <nlohmann/json.hpp>

#include "loader/file.h"
#include "loader/json.h"
#include "loader/json_fields.h"

namespace gemma {

Result<GenerationConfig> parse_generation_config(std::string_view json, const std::string& where) {
  Result<nlohmann::json> parsed = parse_json(json, where);
  if (!parsed) return fail(parsed.error());
  if (!parsed->is_object()) {
    return fail(ErrorCode::kInvalidFile, where, "expected an object, found " + shown(*parsed));
  }
  Problems problems;
  const JsonFields fields(*parsed, "", problems);
  auto id = [&](std::string_view key) -> std::optional<int32_t> {
    const auto value = fields.integer(key, 0, std::numeric_limits<int32_t>::max());
    return value ? std::optional(static_cast<int32_t>(*value)) : std::nullopt;
  };
  GenerationConfig config;
  config.eos_ids = fields.ids("eos_token_id");
  config.suppress_ids = fields.ids("suppress_tokens");
  config.bos_id = id("bos_token_id");
  config.pad_id = id("pad_token_id");
  config.do_sample = fields.boolean("do_sample");
  config.temperature = fields.number("temperature", 0, 1000);
  config.top_p = fields.number("top_p", 0, 1);
  config.min_p = fields.number("min_p", 0, 1);
  config.repetition_penalty = fields.number("repetition_penalty", 0, 1000);
  if (config.repetition_penalty == 0) {
    fields.invalid("repetition_penalty", "expected a number above 0, found 0");  // it divides
  }
  config.top_k = fields.integer("top_k", 0, int64_t{1} << 31);
  if (!problems.empty()) return problems.failure(where);
  return config;
}

Result<GenerationConfig> read_generation_config(const std::string& path) {
  constexpr uint64_t kMaxBytes = 1 << 20;
  Result<std::string> text = read_text(path, kMaxBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) return GenerationConfig{};
  if (!text) return fail(text.error());
  return parse_generation_config(*text, path);
}

}  // namespace gemma
