#include "loader/model_card.h"

#include <algorithm>
#include <cstdint>

#include "loader/file.h"

namespace gemma {
namespace {

constexpr uint64_t kMaxFileBytes = 4 << 20;
constexpr size_t kMaxFrontBytes = 64 << 10;
constexpr size_t kMaxFields = 256;

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// The next line of `text`, which loses it.
std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// A scalar without its quotes, or without its comment if it has none.
std::string scalar(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'')) {
    const size_t end = text.find(text.front(), 1);
    if (end != text.npos) return std::string(text.substr(1, end - 1));
  }
  if (text.starts_with('#')) return {};
  const size_t comment = text.find(" #");
  return std::string(trim(text.substr(0, comment)));
}

// "[a, 'b, c', d]"
std::vector<std::string> flow_list(std::string_view text) {
  std::vector<std::string> values;
  text.remove_prefix(1);
  if (const size_t end = text.rfind(']'); end != text.npos) text = text.substr(0, end);
  while (!text.empty()) {
    const std::string_view ahead = trim(text);
    size_t from = 0;
    if (!ahead.empty() && (ahead.front() == '"' || ahead.front() == '\'')) {
      const size_t open = text.find(ahead.front());
      from = std::min(text.find(ahead.front(), open + 1), text.size());
    }
    const size_t end = std::min(text.find(',', from), text.size());
    if (std::string value = scalar(text.substr(0, end)); !value.empty()) values.push_back(std::move(value));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return values;
}

// A top-level "key:" or "key: value"; the key is empty for anything else.
std::string_view key_of(std::string_view line) {
  if (line.empty() || line.front() == ' ' || line.front() == '\t' || line.front() == '-' ||
      line.front() == '#') {
    return {};
  }
  const size_t colon = line.find(':');
  if (colon == line.npos || (colon + 1 < line.size() && line[colon + 1] != ' ')) return {};
  return trim(line.substr(0, colon));
}

}  // namespace

const std::vector<std::string>& ModelCard::values(std::string_view key) const {
  static const std::vector<std::string> kNone;
  auto field = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.first == key; });
  return field == fields.end() ? kNone : field->second;
}

ModelCard parse_model_card(std::string_view text) {
  ModelCard card;
  text = text.substr(0, kMaxFrontBytes);
  if (trim(take_line(text)) != "---") return card;
  bool nested = false;  // what follows belongs to a mapping inside the last key
  while (!text.empty() && card.fields.size() < kMaxFields) {
    const std::string_view line = take_line(text);
    if (trim(line) == "---") break;
    if (const std::string_view key = key_of(line); !key.empty()) {
      nested = false;
      auto& [name, values] = card.fields.emplace_back(scalar(key), std::vector<std::string>());
      const std::string_view value = trim(line.substr(line.find(':') + 1));
      if (value.starts_with('[')) {
        values = flow_list(value);
      } else if (!value.starts_with('|') && !value.starts_with('>') && !value.starts_with('{')) {
        if (std::string one = scalar(value); !one.empty()) values.push_back(std::move(one));
      }
      continue;
    }
    // "- item", at the margin or indented, belongs to the last key, unless a mapping came between.
    std::string_view item = trim(line);
    const bool is_item = item.starts_with("- ");
    if (is_item) item = trim(item.substr(2));
    nested = nested || !key_of(item).empty();
    if (nested || !is_item || card.fields.empty()) continue;
    if (std::string one = scalar(item); !one.empty()) card.fields.back().second.push_back(std::move(one));
  }
  return card;
}

ModelCard read_model_card(const std::string& path) {
  Result<std::string> text = read_text(path, kMaxFileBytes);
  return text ? parse_model_card(*text) : ModelCard{};
}

}  // namespace gemma
