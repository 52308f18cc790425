#include "tools/report/html_table.h"

namespace gemma {

void HtmlTable::row(const std::vector<std::string>& cells) {
  Markup row;
  for (size_t i = 0; i < cells.size(); ++i) {
    row += i == 0       ? markup("<th scope=\"row\">{}</th>", cells[i])
           : i > words_ ? markup("<td class=\"n\">{}</td>", cells[i])
                        : markup("<td>{}</td>", cells[i]);
  }
  rows_ += markup("<tr>{}</tr>\n", row);
}

Markup HtmlTable::finish() const {
  Markup head;
  for (size_t i = 0; i < columns_.size(); ++i) {
    head += i > words_ ? markup("<th scope=\"col\" class=\"n\">{}</th>", columns_[i])
                       : markup("<th scope=\"col\">{}</th>", columns_[i]);
  }
  return markup(
      "<div class=\"scroll\" role=\"region\" aria-label=\"{}\" "
      "tabindex=\"0\"><table><caption><span>{}</span></caption>\n"
      "<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
      caption_, caption_, head, rows_);
}

}  // namespace gemma
