#include "loader/dataset_mmlu.h"

#include <algorithm>

#include <fmt/format.h>

#include "loader/csv.h"
#include "loader/file.h"
#include "loader/in_quotes.h"
#include "loader/json_lines.h"

namespace gemma {

std::string mmlu_subject(std::string_view path) {
  path.remove_prefix(path.rfind('/') == path.npos ? 0 : path.rfind('/') + 1);
  path = path.substr(0, path.rfind('.'));
  for (std::string_view part : {"_test", "_dev", "_val"}) {
    if (path.ends_with(part)) {
      path.remove_suffix(part.size());
      break;
    }
  }
  std::string subject(path);
  std::replace(subject.begin(), subject.end(), '_', ' ');
  return subject;
}

Result<Dataset> read_mmlu(const std::string& path) {
  Result<std::string> text = read_text(path, kLargestDataset);
  if (!text) return fail(std::move(text.error()));
  Result<std::vector<CsvRow>> rows = parse_csv(*text, path);
  if (!rows) return fail(std::move(rows.error()));
  const std::string subject = mmlu_subject(path);
  std::vector<DatasetItem> items;
  for (CsvRow& row : *rows) {
    const auto refuse = [&](std::string what) {
      return fail(ErrorCode::kInvalidFile, at_line(path, row.line), std::move(what),
                  "MMLU's files have no header and six fields: question,A,B,C,D,answer");
    };
    if (row.fields.size() != 6) return refuse(fmt::format("expected 6 fields, found {}", row.fields.size()));
    const std::string& letter = row.fields[5];
    if (letter.size() != 1 || letter[0] < 'A' || letter[0] > 'D') {
      return refuse("expected A, B, C or D as the answer, found " + in_quotes(letter));
    }
    DatasetItem item;
    item.id = fmt::format("{}", items.size() + 1);
    item.group = subject;
    item.line = row.line;
    std::string_view question = row.fields[0];
    constexpr std::string_view kBlanks = " \t\r\n";
    question.remove_prefix(std::min(question.find_first_not_of(kBlanks), question.size()));
    item.question = question.substr(0, question.find_last_not_of(kBlanks) + 1);
    if (item.question.empty()) return refuse("expected a question, found an empty text");
    for (size_t i = 1; i <= 4; ++i) {
      if (row.fields[i].empty()) return refuse(fmt::format("choice {} is empty", choice_letter(i - 1)));
      item.choices.push_back(std::move(row.fields[i]));
    }
    item.answer = static_cast<size_t>(letter[0] - 'A');
    items.push_back(std::move(item));
  }
  return finish_dataset(path, DatasetFormat::kMmlu, std::move(items));
}

}  // namespace gemma
