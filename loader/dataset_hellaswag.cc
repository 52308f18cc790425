#include "loader/dataset_hellaswag.h"

#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loader/json_fields.h"
#include "loader/json_lines.h"
#include "loader/unicode.h"
#include "loader/utf8.h"

namespace gemma {
namespace {

using nlohmann::json;

std::string_view without_outer_blanks(std::string_view text) {
  while (!text.empty()) {
    const Utf8Scalar first = utf8_scalar(text, 0);
    if (!first.valid || !is_blank(first.value)) break;
    text.remove_prefix(first.size);
  }
  while (!text.empty()) {
    const Utf8Scalar last = utf8_last_scalar(text);
    if (!last.valid || !is_blank(last.value)) break;
    text.remove_suffix(last.size);
  }
  return text;
}

// Every occurrence, from the left, none inside another.
std::string replaced(std::string_view text, std::string_view what, std::string_view by) {
  std::string out;
  size_t begin = 0;
  for (size_t at; (at = text.find(what, begin)) != text.npos; begin = at + what.size()) {
    out += text.substr(begin, at - begin);
    out += by;
  }
  out += text.substr(begin);
  return out;
}

// From each "[" to the next "]" on the same line.
std::string without_brackets(std::string_view text) {
  std::string out;
  size_t close = text.find(']'), line_end = text.find('\n');  // the next ones from `at` on
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '[') {
      out += text[at++];
      continue;
    }
    if (close != text.npos && close < at) close = text.find(']', at);
    if (line_end != text.npos && line_end < at) line_end = text.find('\n', at);
    if (close == text.npos || line_end < close) {
      out += text[at++];
    } else {
      at = close + 1;
    }
  }
  return out;
}

// 0 to 3, as a number or spelled.
std::optional<size_t> read_label(const json& value) {
  size_t label = 4;
  if (value.is_number_unsigned()) {
    label = value.get<uint64_t>() < 4 ? value.get<size_t>() : 4;
  } else if (value.is_string()) {
    const std::string text = value.get<std::string>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  }
  return label < 4 ? std::optional(label) : std::nullopt;
}

}  // namespace

std::string clean_hellaswag(std::string_view text) {
  return replaced(without_brackets(replaced(without_outer_blanks(text), " [title]", ". ")), "  ", " ");
}

std::string capitalize_hellaswag(std::string_view text) {
  std::string out = lower_case(text);
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 32);
  return out;
}

Result<Dataset> read_hellaswag(const std::string& path) {
  std::vector<DatasetItem> items;
  Result<void> read =
      for_each_json_line(path, kLargestDataset, [&](size_t line, const json& object) -> Result<void> {
        Problems problems;
        const JsonFields fields(object, "", problems);
        const auto text = [&](const char* key) {
          std::optional<std::string> value = fields.string(key);
          if (!value && !fields.has(key)) fields.invalid(key, "expected a text, found nothing");
          return value.value_or("");
        };
        DatasetItem item;
        item.line = line;
        const std::string activity = text("activity_label"), first = text("ctx_a"), second = text("ctx_b");
        item.group = activity;
        item.question = clean_hellaswag(activity + ": " + first + " " + capitalize_hellaswag(second));
        const json* endings = fields.find("endings");
        if (endings == nullptr || !endings->is_array() || endings->size() != 4) {
          fields.invalid("endings", "expected a list of four texts");
        } else {
          for (const json& ending : *endings) {
            item.choices.push_back(ending.is_string() ? clean_hellaswag(ending.get<std::string>()) : "");
            if (item.choices.back().empty()) {
              fields.invalid("endings", "expected a text, found " + shown(ending));
            }
          }
        }
        const json* label = fields.find("label");
        const std::optional<size_t> right = label == nullptr ? std::nullopt : read_label(*label);
        if (!right) {
          fields.invalid("label", "expected 0 to 3, found " + (label == nullptr ? "nothing" : shown(*label)) +
                                      "; the published test file has no labels");
        }
        item.answer = right.value_or(0);
        item.id = fmt::format("{}", items.size() + 1);
        if (const json* index = fields.find("ind"); index != nullptr && index->is_number_integer()) {
          item.id = index->dump();
        }
        if (!problems.empty()) return problems.failure(at_line(path, line));
        items.push_back(std::move(item));
        return {};
      });
  if (!read) return fail(std::move(read.error()));
  return finish_dataset(path, DatasetFormat::kHellaswag, std::move(items));
}

}  // namespace gemma
