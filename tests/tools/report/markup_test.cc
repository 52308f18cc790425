// Texts of a report stay texts, whatever they hold.
#include "tools/report/markup.h"

#include <doctest/doctest.h>

using gemma::escape_html;
using gemma::markup;

TEST_CASE("what could open a tag, end an attribute or begin an entity is spelled out") {
  CHECK(escape_html("<script>&\"'</script>") == "&lt;script&gt;&amp;&quot;&#39;&lt;/script&gt;");
  CHECK(markup("<td title=\"{}\">{}</td>", "\" onload=\"x", "<b>").html ==
        "<td title=\"&quot; onload=&quot;x\">&lt;b&gt;</td>");
}

TEST_CASE("pieces of markup are put in as they are, numbers as numbers") {
  CHECK(markup("<tr>{}{}</tr>", markup("<td>{}</td>", "a&b"), 3).html == "<tr><td>a&amp;b</td>3</tr>");
}

TEST_CASE("characters of every length stay, and what is no UTF-8 becomes a replacement each byte") {
  CHECK(escape_html("aé€😀\t\n") == "aé€😀\t\n");
  const std::string replacement = "\xef\xbf\xbd";
  CHECK(escape_html("\xff") == replacement);
  CHECK(escape_html("\xc3") == replacement);                           // cut short
  CHECK(escape_html("\xc0\xbc") == replacement + replacement);         // overlong '<'
  CHECK(escape_html("\xe0\x80\xbc").substr(0, 3) == replacement);      // overlong '<'
  CHECK(escape_html("\xed\xa0\x80").substr(0, 3) == replacement);      // a surrogate
  CHECK(escape_html("\xf4\x90\x80\x80").substr(0, 3) == replacement);  // beyond Unicode
  CHECK(escape_html("a\xe2\x82") == "a" + replacement + replacement);  // cut short
}

TEST_CASE("control characters and marks that turn the direction of text are not passed on") {
  const std::string replacement = "\xef\xbf\xbd";
  CHECK(escape_html(std::string_view("\0", 1)) == replacement);
  CHECK(escape_html("\x1b[2J") == replacement + "[2J");
  CHECK(escape_html("\xc2\x85") == replacement);
  CHECK(escape_html("\xe2\x80\xae") == replacement);  // right-to-left override
}
