#include "engine/evaluation/wikitext.h"

#include <doctest/doctest.h>

namespace gemma {
namespace {

TEST_CASE("rows keep their line feed, blank ones are empty") {
  CHECK(wikitext_rows(" \n = A = \n \nb\nlast") ==
        std::vector<std::string>{"", " = A = \n", "", "b\n", "last"});
  CHECK(wikitext_rows("").empty());
}

TEST_CASE("a page begins at a title and not at a heading below it") {
  const std::string file =
      " \n = One = \n \n text = 1 \n = = Part = = \n = = = Deep = = = \n more \n = Two = \n b\n";
  CHECK(wikitext_pages(file) ==
        std::vector<std::string>{" = One = \n \n text = 1 \n = = Part = = \n = = = Deep = = = \n more ",
                                 " = Two = \n b\n"});
}

// Expected values: the reference's function, run in Python 3.11 on the same inputs.
TEST_CASE("the data set's tokenization is undone rule by rule") {
  CHECK(wikitext_detokenize("a @-@ b 1 @,@ 000 2 @.@ 5") == "a-b 1,000 2.5");
  CHECK(wikitext_detokenize("He said : no ; yes . Why ? Ha ! so , then") ==
        "He said: no; yes. Why? Ha! so, then");
  CHECK(wikitext_detokenize("( a b ) [ c ] { d } \" e f \" ' g '") == "(a b) [c] {d} \"e f\" 'g'");
  CHECK(wikitext_detokenize("= = = = X = = =") == "==== X ===");
  CHECK(wikitext_detokenize("5 \xc2\xb0 C \n N 3 N dog 's") ==
        "5\xc2\xb0"
        "C\nN 3 1 dog's");
  CHECK(wikitext_detokenize("/' 7/ it s 'x") == "/'[0-9]/ it s'x");
  CHECK(wikitext_detokenize("( open \" one") == "( open \" one");
  CHECK(wikitext_detokenize("(  )") == "()");
}

TEST_CASE("words are counted as Python splits them, white space at the ends included") {
  CHECK(count_words("") == 1);
  CHECK(count_words("one two\n\nthree") == 3);
  CHECK(count_words(" one ") == 3);
  CHECK(count_words("a\xc2\xa0"
                    "b\xe3\x80\x80"
                    "c") == 3);  // no-break space, ideographic space
}

}  // namespace
}  // namespace gemma
