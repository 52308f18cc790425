#include "loader/text_corpus.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "loader/file.h"
#include "loader/in_quotes.h"
#include "loader/json.h"

namespace gemma {
namespace {

constexpr uint64_t kLargestText = uint64_t{2} << 30;

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == text.npos;
}

TextFormat resolve(const TextSource& source) {
  if (source.format != TextFormat::kAuto) return source.format;
  const std::string_view path = source.path;
  return path.ends_with(".jsonl") || path.ends_with(".ndjson") ? TextFormat::kJsonLines : TextFormat::kPlain;
}

Result<std::string> text_of_json(std::string_view line, const std::string& where, const std::string& field) {
  Result<nlohmann::json> json = parse_json(line, where);
  if (!json) return fail(std::move(json.error()));
  if (json->is_string()) return json->get<std::string>();
  if (!json->is_object()) {
    return fail(ErrorCode::kInvalidFile, where,
                fmt::format("expected a string or an object, found {}", json->type_name()));
  }
  const auto found = json->find(field);
  if (found == json->end()) {
    std::string fields;
    for (const auto& [key, value] : json->items()) {
      if (value.is_string() && fields.size() < 200) fields += (fields.empty() ? "" : ", ") + in_quotes(key);
    }
    return fail(
        ErrorCode::kInvalidFile, where, fmt::format("no field {}", in_quotes(field)),
        fields.empty() ? "it has no field that is a text" : "name one of its texts with --field: " + fields);
  }
  if (!found->is_string()) {
    return fail(ErrorCode::kInvalidFile, where,
                fmt::format("expected a string under {}, found {}", in_quotes(field), found->type_name()));
  }
  return found->get<std::string>();
}

}  // namespace

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Result<std::vector<std::string>> read_texts(const TextSource& source) {
  Result<std::string> content = read_text(source.path, kLargestText);
  if (!content) return fail(std::move(content.error()));
  const TextFormat format = resolve(source);
  std::vector<std::string> texts;
  const auto wanted = [&] { return source.limit == 0 || texts.size() < source.limit; };
  const auto keep = [&](std::string text) {
    if (wanted() && !(source.skip_blank && blank(text))) texts.push_back(std::move(text));
  };
  if (format == TextFormat::kPlain) {
    if (!content->empty()) keep(std::move(*content));
  } else {
    std::string_view rest = *content;
    for (size_t number = 1; !rest.empty() && wanted(); ++number) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (format == TextFormat::kLines) {
        keep(std::string(line));
      } else if (!blank(line)) {
        Result<std::string> text =
            text_of_json(line, fmt::format("{}: line {}", source.path, number), source.field);
        if (!text) return fail(std::move(text.error()));
        keep(std::move(*text));
      }
    }
  }
  if (texts.empty()) {
    return fail(
        ErrorCode::kInvalidFile, source.path, "there is no text in it",
        source.skip_blank ? "blank texts are skipped; is this the right file?" : "is this the right file?");
  }
  return texts;
}

}  // namespace gemma
