// Characters are judged as Python judges them.
#include "loader/unicode.h"

#include <doctest/doctest.h>

#include <initializer_list>

namespace gemma {
namespace {

TEST_CASE("letters and numbers of all scripts are parts of words, marks and punctuation are not") {
  for (char32_t c : {U'a', U'Z', U'0', U'_', U'é', U'ß', U'Ж', U'中', U'ª', U'²', U'٣', U'\U0001D400'}) {
    CHECK(is_word_character(c));
  }
  for (char32_t c : {U' ', U'-', U'—', U'“', U'\u0301', U'€', U'\U0001F600', U'\0', U'\U0010FFFF'}) {
    CHECK(!is_word_character(c));
  }
}

TEST_CASE("blanks are those of str.isspace") {
  for (char32_t c : {U'\t', U'\n', U'\r', U' ', U'\x1c', U'\x1f', U'\x85', U'\xa0', U'\u2003', U'\u3000'}) {
    CHECK(is_blank(c));
  }
  for (char32_t c : {U'a', U'\0', U'\x1b', U'\u200b', U'\ufeff'}) CHECK(!is_blank(c));
}

TEST_CASE("small forms come from rows, from every second letter, and from far away") {
  CHECK(lower_case("HELLO World 42") == "hello world 42");
  CHECK(lower_case("ÀÉÎ ĀĂĄ ŹŻŽ") == "àéî āăą źżž");
  CHECK(lower_case("ЖЯ ΑΩ ԱԲ") == "жя αω աբ");
  CHECK(to_lower(U'\u212A') == U'k');  // the Kelvin sign
  CHECK(to_lower(U'\u1E9E') == U'ß');  // the capital sharp s
  CHECK(to_lower(U'\U00010400') == U'\U00010428');
  CHECK(to_lower(U'÷') == U'÷');  // between capitals and small letters, and neither
  CHECK(to_lower(U'中') == U'中');
}

TEST_CASE("a text keeps what is no UTF-8 and what has no small form") {
  CHECK(lower_case("A\xC3(\x80\xFF") == "a\xC3(\x80\xFF");
  CHECK(lower_case("ß 中 \U0001F600") == "ß 中 \U0001F600");
  CHECK(lower_case("") == "");
}

TEST_CASE("characters are counted, not bytes") {
  CHECK(count_characters("") == 0);
  CHECK(count_characters("abc") == 3);
  CHECK(count_characters("né中\U0001F600") == 4);
  CHECK(count_characters("a\xFF\xFE") == 3);
}

TEST_CASE("UTF-8 of one to four bytes is written") {
  std::string text;
  for (char32_t c : {U'a', U'é', U'中', U'\U0001F600'}) append_utf8(text, c);
  CHECK(text == "aé中\U0001F600");
}

}  // namespace
}  // namespace gemma
