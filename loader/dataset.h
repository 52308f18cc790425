// Questions with their right answers, whatever file they came from: what an evaluation asks a model.
//
//   Result<Dataset> data = read_dataset("dev-v2.0.json", {});
//   for (const DatasetItem& item : data->items) ...
//
// | format    | file                                                    | reader              |
// | jsonl     | one JSON object a line, names of the fields as you like | dataset_jsonl.h     |
// | squad     | SQuAD 1.1 and 2.0, the JSON files as published          | dataset_squad.h     |
// | hellaswag | HellaSwag's JSONL as published                          | dataset_hellaswag.h |
// | mmlu      | MMLU's CSV as published: question, A, B, C, D, answer   | dataset_mmlu.h      |
//
// A file is read whole and strictly: the first line that is not what its format says is an error that names
// it, and nothing is left out in silence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace gemma {

// One question. It is of one of two kinds: to be answered freely (references), or by choosing (choices).
struct DatasetItem {
  std::string id;                       // the file's, else the number of the item from 1
  std::string group;                    // what it belongs to (the subject of MMLU); may be empty
  std::string question, context;        // at least one is not empty
  std::vector<std::string> references;  // right answers; none: it cannot be answered
  std::vector<std::string> choices;     // 2 .. 26; none: to be answered freely
  size_t answer = 0;                    // the right choice
  size_t line = 0;                      // in the file, from 1; 0 where lines say nothing (SQuAD)
};

enum class DatasetFormat { kJsonl, kSquad, kHellaswag, kMmlu };

struct Dataset {
  std::string path;
  DatasetFormat format = DatasetFormat::kJsonl;
  std::vector<DatasetItem> items;  // not empty, all of one kind

  bool multiple_choice() const { return !items.front().choices.empty(); }
};

std::string_view to_string(DatasetFormat format);
std::optional<DatasetFormat> parse_dataset_format(std::string_view word);

// The names of the fields of a JSONL object. A dot leads into an object: "answers.text".
struct DatasetFields {
  std::string id = "id", question = "question", context = "context", references = "references";
  std::string choices = "choices", answer = "answer";
};

struct DatasetOptions {
  std::optional<DatasetFormat> format;  // unset: .csv is mmlu, .json squad, anything else jsonl
  DatasetFields fields;
};

inline constexpr size_t kMostChoices = 26;
inline constexpr uint64_t kLargestDataset = uint64_t{1} << 30;  // bytes

// kNotFound, kIo, kResource; kInvalidFile for everything that breaks the format.
Result<Dataset> read_dataset(const std::string& path, const DatasetOptions& options);

// The checks that all readers share: not empty, and all of one kind (kInvalidFile).
Result<Dataset> finish_dataset(std::string path, DatasetFormat format, std::vector<DatasetItem> items);

// "A" for 0.
std::string choice_letter(size_t index);

}  // namespace gemma
