#include "loader/csv.h"

#include <algorithm>

#include "loader/json_lines.h"
#include "loader/utf8.h"

namespace gemma {
namespace {

class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Result<std::vector<CsvRow>> read() {
    std::vector<CsvRow> rows;
    while (at_ < text_.size()) {
      CsvRow row;
      row.line = line_;
      Result<void> one = read_row(row);
      if (!one) return fail(std::move(one.error()));
      if (row.fields.size() > 1 || !row.fields.front().empty()) rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  bool at_line_end() const {
    return at_ == text_.size() || text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n";
  }

  Result<void> read_row(CsvRow& row) {
    for (;;) {
      std::string field;
      if (at_ < text_.size() && text_[at_] == '"') {
        Result<void> quoted = read_quoted(field);
        if (!quoted) return quoted;
      } else {
        const size_t begin = at_;
        while (!at_line_end() && text_[at_] != ',') ++at_;
        field = text_.substr(begin, at_ - begin);
      }
      row.fields.push_back(std::move(field));
      if (!at_line_end()) {
        ++at_;  // the comma
        continue;
      }
      if (at_ < text_.size()) at_ += text_[at_] == '\n' ? 1 : 2;
      ++line_;
      return {};
    }
  }

  Result<void> read_quoted(std::string& field) {
    const size_t opened = line_;
    for (++at_;;) {
      const size_t quote = text_.find('"', at_);
      if (quote == text_.npos) {
        return fail(ErrorCode::kInvalidFile, at_line(where_, opened),
                    "a quote opens here and is never closed");
      }
      const std::string_view part = text_.substr(at_, quote - at_);
      line_ += static_cast<size_t>(std::count(part.begin(), part.end(), '\n'));
      field += part;
      at_ = quote + 1;
      if (at_ == text_.size() || text_[at_] != '"') break;
      field += '"';
      ++at_;
    }
    if (!at_line_end() && text_[at_] != ',') {
      return fail(ErrorCode::kInvalidFile, at_line(where_, line_),
                  "expected a comma or the end of the line behind a closing quote",
                  "a quote inside a quoted field is written twice");
    }
    return {};
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0, line_ = 1;
};

}  // namespace

Result<std::vector<CsvRow>> parse_csv(std::string_view text, const std::string& where) {
  if (text.starts_with("\xef\xbb\xbf")) {
    return fail(ErrorCode::kInvalidFile, where, "starts with a byte order mark",
                "save it as UTF-8 without one");
  }
  size_t line = 1;
  Utf8Scalar scalar;
  for (size_t at = 0; at < text.size(); at += scalar.size) {
    scalar = utf8_scalar(text, at);
    if (!scalar.valid || scalar.value == 0) {
      return fail(ErrorCode::kInvalidFile, at_line(where, line),
                  scalar.valid ? "holds a zero byte" : "is not UTF-8");
    }
    if (scalar.value == U'\n') ++line;
  }
  return CsvReader(text, where).read();
}

}  // namespace gemma
