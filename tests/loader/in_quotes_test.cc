#include "loader/in_quotes.h"

#include <string>

#include <doctest/doctest.h>

namespace gemma {
namespace {

TEST_CASE("printable text stands as it is, the rest as hexadecimal") {
  CHECK(in_quotes("model.norm.weight") == "\"model.norm.weight\"");
  CHECK(in_quotes("a\"b\\c") == "\"a\\\"b\\\\c\"");
  CHECK(in_quotes(std::string_view("\x1b[2J\n\0\xc3\xa9", 8)) == "\"\\x1b[2J\\x0a\\x00\\xc3\\xa9\"");
}

TEST_CASE("long text is cut and counted") {
  CHECK(in_quotes("abcdef", 6) == "\"abcdef\"");
  CHECK(in_quotes("abcdefg", 6) == "\"abcdef...\" (7 bytes)");
}

}  // namespace
}  // namespace gemma
