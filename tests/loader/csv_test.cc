#include "loader/csv.h"

#include <doctest/doctest.h>

namespace gemma {
namespace {

std::vector<std::vector<std::string>> fields(std::string_view text) {
  Result<std::vector<CsvRow>> rows = parse_csv(text, "x.csv");
  REQUIRE_MESSAGE(rows.has_value(), rows.error().message());
  std::vector<std::vector<std::string>> out;
  for (CsvRow& row : *rows) out.push_back(std::move(row.fields));
  return out;
}

std::string refusal(std::string_view text) {
  Result<std::vector<CsvRow>> rows = parse_csv(text, "x.csv");
  REQUIRE(!rows);
  return rows.error().where + ": " + rows.error().what;
}

using Rows = std::vector<std::vector<std::string>>;

TEST_CASE("fields end at commas, rows at either kind of line end, and empty lines are none") {
  CHECK(fields("a,b\nc,d\r\n") == Rows{{"a", "b"}, {"c", "d"}});
  CHECK(fields("a,b") == Rows{{"a", "b"}});
  CHECK(fields(",\n\n\r\na") == Rows{{"", ""}, {"a"}});
  CHECK(fields("").empty());
  CHECK(fields("a\rb") == Rows{{"a\rb"}});  // a lone CR is text
}

TEST_CASE("quotes keep commas, line ends and doubled quotes; elsewhere they are text") {
  CHECK(fields(R"("a,b","c""d",e"f")") == Rows{{"a,b", "c\"d", "e\"f\""}});
  CHECK(fields("\"a\r\nb\",\"\"\nc") == Rows{{"a\r\nb", ""}, {"c"}});
}

TEST_CASE("a row knows its line, line ends in quotes counted") {
  Result<std::vector<CsvRow>> rows = parse_csv("a\n\"b\n\n\"\n\nc", "x.csv");
  REQUIRE(rows);
  CHECK((*rows)[1].line == 2);
  CHECK((*rows)[2].line == 6);
}

TEST_CASE("what is no CSV is refused with its line") {
  CHECK(refusal("a\n\"b,c\nd") == "x.csv: line 2: a quote opens here and is never closed");
  CHECK(refusal("\"") == "x.csv: line 1: a quote opens here and is never closed");
  CHECK(refusal("a\n\"b\nc\" d,e") ==
        "x.csv: line 3: expected a comma or the end of the line behind a closing quote");
  CHECK(refusal("a\nb\xff") == "x.csv: line 2: is not UTF-8");
  CHECK(refusal(std::string_view("a\n\n\0", 4)) == "x.csv: line 3: holds a zero byte");
  CHECK(refusal("\xef\xbb\xbf"
                "a") == "x.csv: starts with a byte order mark");
}

}  // namespace
}  // namespace gemma
