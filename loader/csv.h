// CSV as RFC 4180 has it: fields between commas, quoted where they hold commas, line ends or quotes
// (doubled). A quote inside a field that does not begin with one is text. Lines end in "\n" or "\r\n"; the
// last need not.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace gemma {

struct CsvRow {
  size_t line = 0;  // where it begins, from 1
  std::vector<std::string> fields;
};

// Empty lines are left out. kInvalidFile, with the line: a quote that is never closed, text behind a closing
// quote, a zero byte, text that is not UTF-8, a byte order mark. `where` names the text in errors.
Result<std::vector<CsvRow>> parse_csv(std::string_view text, const std::string& where);

}  // namespace gemma
