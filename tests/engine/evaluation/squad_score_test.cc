// Exact match and F1 agree with the official script of SQuAD: its rules case by case, and values that the
// script gives for texts with Unicode, articles, punctuation and nothing in them.
#include "engine/evaluation/squad_score.h"

#include <doctest/doctest.h>

#include <vector>

namespace gemma {
namespace {

TEST_CASE("normalizing takes capitals, ASCII punctuation, articles and blanks away, in this order") {
  CHECK(squad_normalize("The  Eiffel\tTower!") == "eiffel tower");
  CHECK(squad_normalize("an apple a day") == "apple day");
  CHECK(squad_normalize("theatre and anagram") == "theatre and anagram");  // no articles
  CHECK(squad_normalize("e-mail, U.S.") == "email us");                    // removed, not replaced
  CHECK(squad_normalize("t-h-e end") == "end");   // an article once the dashes are gone
  CHECK(squad_normalize("the_end") == "theend");  // '_' is punctuation too
  CHECK(squad_normalize("") == "");
  CHECK(squad_normalize(" The ") == "");
}

TEST_CASE("letters, blanks and word borders are those of Unicode, punctuation is that of ASCII") {
  CHECK(squad_normalize("CAFÉ") == "café");
  CHECK(squad_normalize("“Quoted”") == "“quoted”");  // the reference keeps these marks
  CHECK(squad_normalize("the—end") == "—end");       // a dash ends a word
  CHECK(squad_normalize("théa") == "théa");          // an accented letter does not
  CHECK(squad_normalize("one\u00A0two\u3000three") == "one two three");
  CHECK(squad_normalize("ΟΔΟΣ ΣΟΦΙΑ") == "οδος σοφια");  // the final sigma
  CHECK(squad_normalize("İ") == "i\u0307");
  CHECK(squad_normalize("B\xFF") == "b\xFF");  // not UTF-8: no letter, kept
}

TEST_CASE("F1 is over the multiset of words") {
  // 2 of 3 words are shared, "cat" once: P = 2/3, R = 2/2.
  CHECK(squad_score("cat cat dog", "cat dog").f1 == doctest::Approx(0.8).epsilon(1e-15));
  CHECK(squad_score("cat dog", "cat cat dog").f1 == doctest::Approx(0.8).epsilon(1e-15));
  // P = 1/4, R = 1/2.
  CHECK(squad_score("in the city of Paris now", "Paris, France").f1 ==
        doctest::Approx(2 * (1.0 / 5) * (1.0 / 2) / (1.0 / 5 + 1.0 / 2)).epsilon(1e-15));
  CHECK(squad_score("left", "right").f1 == 0);
}

TEST_CASE("order counts for exact match and not for F1") {
  const SquadScore score = squad_score("Tower Eiffel", "the Eiffel Tower");
  CHECK(score.exact_match == 0);
  CHECK(score.f1 == 1);
}

TEST_CASE("where one side is empty only both being empty is right") {
  CHECK(squad_score("", "").exact_match == 1);
  CHECK(squad_score("", "").f1 == 1);
  CHECK(squad_score("the", "").f1 == 1);  // empty once normalized
  CHECK(squad_score("word", "").f1 == 0);
  CHECK(squad_score("", "word").f1 == 0);
}

TEST_CASE("of several references each figure takes its best") {
  const std::vector<std::string> references = {"Denver Broncos", "The Broncos of Denver", "Broncos"};
  const SquadScore exact = squad_score("broncos", references);
  CHECK(exact.exact_match == 1);
  CHECK(exact.f1 == 1);
  const SquadScore near = squad_score("the Denver team", references);
  CHECK(near.exact_match == 0);
  CHECK(near.f1 == doctest::Approx(0.5).epsilon(1e-15));  // of the first: P = R = 1/2
}

TEST_CASE("a question without references has no answer, and one that normalizes to nothing does not count") {
  const std::vector<std::string> none, empty = {"", "the"}, mixed = {"the", "dog"};
  CHECK(squad_score("", none).exact_match == 1);
  CHECK(squad_score("something", none).f1 == 0);
  CHECK(squad_score("", empty).f1 == 1);
  CHECK(squad_score("", mixed).exact_match == 0);
  CHECK(squad_score("dog", mixed).exact_match == 1);
}

}  // namespace
}  // namespace gemma
