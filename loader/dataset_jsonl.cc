#include "loader/dataset_jsonl.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loader/in_quotes.h"
#include "loader/json_fields.h"
#include "loader/json_lines.h"

namespace gemma {
namespace {

using nlohmann::json;

// One line, field by field; the first problem stays.
class Line {
 public:
  Line(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  const json* find(const std::string& path) const {
    const json* value = &object_;
    for (size_t begin = 0; begin <= path.size();) {
      const size_t end = std::min(path.find('.', begin), path.size());
      if (!value->is_object()) return nullptr;
      const auto field = value->find(path.substr(begin, end - begin));
      if (field == value->end() || field->is_null()) return nullptr;
      value = &*field;
      begin = end + 1;
    }
    return value;
  }

  std::string text(const std::string& path) {
    const json* value = find(path);
    if (value == nullptr) return {};
    if (value->is_string()) return value->get<std::string>();
    refuse(path, "expected a text, found " + shown(*value));
    return {};
  }

  // A text counts as a list of one where `or_text`.
  std::vector<std::string> texts(const std::string& path, bool or_text) {
    const json* value = find(path);
    if (value == nullptr) return {};
    if (or_text && value->is_string()) return {value->get<std::string>()};
    std::vector<std::string> out;
    if (!value->is_array()) {
      refuse(path,
             fmt::format("expected {}a list of texts, found {}", or_text ? "a text or " : "", shown(*value)));
      return out;
    }
    for (const json& entry : *value) {
      if (!entry.is_string()) {
        refuse(path, fmt::format("entry {}: expected a text, found {}", out.size(), shown(entry)));
        return out;
      }
      out.push_back(entry.get<std::string>());
    }
    return out;
  }

  void refuse(const std::string& path, std::string what) {
    if (!failed_) error_ = Error{ErrorCode::kInvalidFile, where_ + ": " + path, std::move(what), {}};
    failed_ = true;
  }
  bool failed() const { return failed_; }
  Failure failure() { return fail(std::move(error_)); }

 private:
  const json& object_;
  std::string where_;
  bool failed_ = false;
  Error error_;
};

void read_choices(Line& line, const DatasetFields& fields, DatasetItem& item) {
  item.choices = line.texts(fields.choices, false);
  const size_t n = item.choices.size();
  if (n < 2 || n > kMostChoices) {
    line.refuse(fields.choices, fmt::format("expected 2 to {} choices, found {}", kMostChoices, n));
    return;
  }
  std::set<std::string> seen;
  for (const std::string& choice : item.choices) {
    if (choice.empty()) line.refuse(fields.choices, "expected texts, found an empty one");
    if (!seen.insert(choice).second) line.refuse(fields.choices, in_quotes(choice) + " occurs twice");
  }
  const json* answer = line.find(fields.answer);
  if (answer == nullptr) {
    line.refuse(fields.answer, "missing: which choice is right?");
  } else if (answer->is_number_unsigned() && answer->get<uint64_t>() < n) {
    item.answer = answer->get<size_t>();
  } else if (answer->is_string()) {
    const std::string text = answer->get<std::string>();
    const auto same = std::find(item.choices.begin(), item.choices.end(), text);
    const bool is_letter = text.size() == 1 && text[0] >= 'A' && static_cast<size_t>(text[0] - 'A') < n;
    if (same != item.choices.end()) {
      item.answer = static_cast<size_t>(same - item.choices.begin());
    } else if (is_letter) {
      item.answer = static_cast<size_t>(text[0] - 'A');
    } else {
      line.refuse(fields.answer, fmt::format("expected one of the choices or a letter from A to {}, found {}",
                                             choice_letter(n - 1), in_quotes(text)));
    }
  } else {
    line.refuse(fields.answer,
                fmt::format("expected a number from 0 to {}, a letter or a choice's text, found {}", n - 1,
                            shown(*answer)));
  }
}

}  // namespace

Result<Dataset> read_jsonl_dataset(const std::string& path, const DatasetFields& fields) {
  std::vector<DatasetItem> items;
  Result<void> read =
      for_each_json_line(path, kLargestDataset, [&](size_t number, const json& object) -> Result<void> {
        Line line(object, at_line(path, number));
        DatasetItem item;
        item.line = number;
        item.question = line.text(fields.question);
        item.context = line.text(fields.context);
        if (item.question.empty() && item.context.empty()) {
          line.refuse(fields.question,
                      fmt::format("missing, and there is no {} either", in_quotes(fields.context)));
        }
        if (line.find(fields.choices) != nullptr) {
          read_choices(line, fields, item);
        } else if (line.find(fields.references) != nullptr) {
          item.references = line.texts(fields.references, true);
        } else {
          line.refuse(fields.references,
                      fmt::format("missing: expected right answers, or {}", in_quotes(fields.choices)));
        }
        const json* id = line.find(fields.id);
        if (id == nullptr) {
          item.id = fmt::format("{}", items.size() + 1);
        } else if (id->is_string()) {
          item.id = id->get<std::string>();
        } else if (id->is_number_integer()) {
          item.id = id->dump();
        } else {
          line.refuse(fields.id, "expected a text or a whole number, found " + shown(*id));
        }
        if (line.failed()) return line.failure();
        items.push_back(std::move(item));
        return {};
      });
  if (!read) return fail(std::move(read.error()));
  return finish_dataset(path, DatasetFormat::kJsonl, std::move(items));
}

}  // namespace gemma
