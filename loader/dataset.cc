#include "loader/dataset.h"

#include <fmt/format.h>

#include "loader/dataset_hellaswag.h"
#include "loader/dataset_jsonl.h"
#include "loader/dataset_mmlu.h"
#include "loader/dataset_squad.h"

namespace gemma {

std::string_view to_string(DatasetFormat format) {
  switch (format) {
    case DatasetFormat::kJsonl:
      return "jsonl";
    case DatasetFormat::kSquad:
      return "squad";
    case DatasetFormat::kHellaswag:
      return "hellaswag";
    case DatasetFormat::kMmlu:
      return "mmlu";
  }
  return "?";
}

std::optional<DatasetFormat> parse_dataset_format(std::string_view word) {
  for (DatasetFormat format :
       {DatasetFormat::kJsonl, DatasetFormat::kSquad, DatasetFormat::kHellaswag, DatasetFormat::kMmlu}) {
    if (word == to_string(format)) return format;
  }
  return std::nullopt;
}

Result<Dataset> read_dataset(const std::string& path, const DatasetOptions& options) {
  DatasetFormat format = DatasetFormat::kJsonl;
  if (options.format) {
    format = *options.format;
  } else if (path.ends_with(".csv")) {
    format = DatasetFormat::kMmlu;
  } else if (path.ends_with(".json")) {
    format = DatasetFormat::kSquad;
  }
  switch (format) {
    case DatasetFormat::kJsonl:
      return read_jsonl_dataset(path, options.fields);
    case DatasetFormat::kSquad:
      return read_squad(path);
    case DatasetFormat::kHellaswag:
      return read_hellaswag(path);
    case DatasetFormat::kMmlu:
      return read_mmlu(path);
  }
  return fail(ErrorCode::kInternal, path, "no such format");
}

Result<Dataset> finish_dataset(std::string path, DatasetFormat format, std::vector<DatasetItem> items) {
  if (items.empty()) return fail(ErrorCode::kInvalidFile, path, "expected questions, found none");
  for (const DatasetItem& item : items) {
    if (item.choices.empty() == items.front().choices.empty()) continue;
    return fail(ErrorCode::kInvalidFile, fmt::format("{}: line {}", path, item.line),
                item.choices.empty() ? "a question without choices, where those before have them"
                                     : "a question with choices, where those before have none",
                "put the two kinds into files of their own");
  }
  return Dataset{std::move(path), format, std::move(items)};
}

std::string choice_letter(size_t index) {
  return std::string(1, static_cast<char>('A' + index));
}

}  // namespace gemma
