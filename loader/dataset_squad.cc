#include "loader/dataset_squad.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loader/json.h"
#include "loader/json_fields.h"

namespace gemma {
namespace {

using nlohmann::json;

class SquadReader {
 public:
  explicit SquadReader(const std::string& path) : path_(path) {}

  Result<std::vector<DatasetItem>> read(const json& root) {
    Result<void> done = each(root, "", "data", [&](const json& article, const std::string& at) {
      title_.clear();
      if (const json* title = find(article, "title"); title != nullptr && title->is_string()) {
        title_ = title->get<std::string>();
      }
      return each(article, at, "paragraphs", [&](const json& paragraph, const std::string& inner) {
        return this->paragraph(paragraph, inner);
      });
    });
    if (!done) return fail(std::move(done.error()));
    return std::move(items_);
  }

 private:
  static const json* find(const json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto field = object.find(key);
    return field == object.end() || field->is_null() ? nullptr : &*field;
  }

  Failure refuse(const std::string& at, const char* key, std::string_view expected, const json* found) const {
    return fail(ErrorCode::kInvalidFile, fmt::format("{}: {}{}{}", path_, at, at.empty() ? "" : ".", key),
                fmt::format("expected {}, found {}", expected, found == nullptr ? "nothing" : shown(*found)),
                "is this a SQuAD file? --format names others");
  }

  // Calls visit(entry, "at.key[i]") for every entry of a list.
  template <typename Visit>
  Result<void> each(const json& object, const std::string& at, const char* key, const Visit& visit) {
    const json* list = find(object, key);
    if (list == nullptr || !list->is_array()) return refuse(at, key, "a list", list);
    size_t i = 0;
    for (const json& entry : *list) {
      Result<void> visited = visit(entry, fmt::format("{}{}{}[{}]", at, at.empty() ? "" : ".", key, i++));
      if (!visited) return visited;
    }
    return {};
  }

  Result<std::string> text(const json& object, const std::string& at, const char* key) {
    const json* value = find(object, key);
    if (value == nullptr || !value->is_string()) return refuse(at, key, "a text", value);
    return value->get<std::string>();
  }

  Result<void> paragraph(const json& paragraph, const std::string& at) {
    Result<std::string> context = text(paragraph, at, "context");
    if (!context) return fail(std::move(context.error()));
    return each(paragraph, at, "qas", [&](const json& asked, const std::string& inner) -> Result<void> {
      copied_bytes_ += context->size();
      if (copied_bytes_ > kLargestDataset) {
        return fail(ErrorCode::kResource, path_, "its questions need more than 1 GiB of paragraphs",
                    "split the file");
      }
      DatasetItem item;
      item.group = title_;
      item.context = *context;
      Result<std::string> id = text(asked, inner, "id");
      if (!id) return fail(std::move(id.error()));
      item.id = std::move(*id);
      Result<std::string> question = text(asked, inner, "question");
      if (!question) return fail(std::move(question.error()));
      item.question = std::move(*question);
      const json* impossible = find(asked, "is_impossible");
      if (impossible != nullptr && !impossible->is_boolean()) {
        return refuse(inner, "is_impossible", "true or false", impossible);
      }
      if (impossible == nullptr || !impossible->get<bool>()) {
        Result<void> answers =
            each(asked, inner, "answers", [&](const json& answer, const std::string& where) {
              Result<std::string> right = text(answer, where, "text");
              if (!right) return Result<void>(fail(std::move(right.error())));
              item.references.push_back(std::move(*right));
              return Result<void>();
            });
        if (!answers) return answers;
      }
      items_.push_back(std::move(item));
      return {};
    });
  }

  const std::string& path_;
  std::string title_;
  uint64_t copied_bytes_ = 0;  // a paragraph counts once for each question
  std::vector<DatasetItem> items_;
};

}  // namespace

Result<Dataset> read_squad(const std::string& path) {
  Result<json> root = read_json(path, {.bytes = kLargestDataset});
  if (!root) return fail(std::move(root.error()));
  Result<std::vector<DatasetItem>> items = SquadReader(path).read(*root);
  if (!items) return fail(std::move(items.error()));
  return finish_dataset(path, DatasetFormat::kSquad, std::move(*items));
}

}  // namespace gemma
