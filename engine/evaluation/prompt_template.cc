#include "engine/evaluation/prompt_template.h"

#include <algorithm>

#include <fmt/format.h>

#include "loader/in_quotes.h"

namespace gemma {
namespace {

constexpr std::string_view kFields[] = {"question", "context", "choices", "group"};

std::string field_value(const DatasetItem& item, std::string_view field) {
  if (field == "question") return item.question;
  if (field == "context") return item.context;
  if (field == "group") return item.group;
  return choice_lines(item);
}

}  // namespace

Result<PromptTemplate> PromptTemplate::parse(std::string_view text, const std::string& where) {
  PromptTemplate result;
  result.text_ = text;
  result.where_ = where;
  std::string plain;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("{{") || rest.starts_with("}}")) {
      plain += rest[0];
      at += 2;
      continue;
    }
    if (rest[0] == '}') {
      return fail(ErrorCode::kUsage, where, fmt::format("a brace closes at byte {} that is not open", at),
                  "}} stands for a brace");
    }
    if (rest[0] != '{') {
      plain += rest[0];
      ++at;
      continue;
    }
    const size_t close = rest.find('}');
    if (close == rest.npos) {
      return fail(ErrorCode::kUsage, where, fmt::format("a brace opens at byte {} and is never closed", at),
                  "{{ stands for a brace");
    }
    const std::string_view name = rest.substr(1, close - 1);
    if (std::find(std::begin(kFields), std::end(kFields), name) == std::end(kFields)) {
      return fail(ErrorCode::kUsage, where, "unknown placeholder " + in_quotes(name),
                  "{question}, {context}, {choices} and {group} are known; {{ stands for a brace");
    }
    result.parts_.push_back({std::move(plain), false});
    result.parts_.push_back({std::string(name), true});
    plain.clear();
    at += close + 1;
  }
  result.parts_.push_back({std::move(plain), false});
  return result;
}

bool PromptTemplate::uses(std::string_view field) const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [&](const Part& part) { return part.is_field && part.text == field; });
}

Result<std::string> PromptTemplate::render(const DatasetItem& item) const {
  std::string out;
  for (const Part& part : parts_) {
    const std::string value = part.is_field ? field_value(item, part.text) : part.text;
    if (part.is_field && value.empty()) {
      return fail(
          ErrorCode::kUsage, where_,
          fmt::format("asks for {{{}}}, which question {} does not have", part.text, in_quotes(item.id)),
          "give a template that fits the data");
    }
    out += value;
  }
  return out;
}

std::string choice_lines(const DatasetItem& item) {
  std::string out;
  for (size_t i = 0; i < item.choices.size(); ++i) {
    out += fmt::format("{}{}. {}", i == 0 ? "" : "\n", choice_letter(i), item.choices[i]);
  }
  return out;
}

}  // namespace gemma
