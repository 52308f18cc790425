// A table that a phone can scroll inside its box: the first column names the rows, figures stand at the
// right.
#pragma once

#include <string>
#include <vector>

#include "tools/report/markup.h"

namespace gemma {

class HtmlTable {
 public:
  // `columns`: headings, the row names' first. `words` of them from the second on hold texts, the others
  // figures.
  HtmlTable(std::string caption, std::vector<std::string> columns, size_t words = 0)
      : caption_(std::move(caption)), columns_(std::move(columns)), words_(words) {}
  // One cell per column.
  void row(const std::vector<std::string>& cells);
  bool empty() const { return rows_.empty(); }
  Markup finish() const;

 private:
  std::string caption_;
  std::vector<std::string> columns_;
  size_t words_;
  Markup rows_;
};

}  // namespace gemma
