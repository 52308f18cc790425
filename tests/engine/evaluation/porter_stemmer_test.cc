// The stemmer on the examples of Porter's paper, step by step, and on what was changed since. All stems are
// those of NLTK's PorterStemmer in its default mode.
#include "engine/evaluation/porter_stemmer.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace gemma {
namespace {

using Words = std::vector<std::pair<const char*, const char*>>;

void check(const Words& words) {
  for (const auto& word : words) CHECK_MESSAGE(porter_stem(word.first) == word.second, word.first);
}

TEST_CASE("step 1: plurals, past, gerunds and a final y") {
  check({{"caresses", "caress"}, {"ponies", "poni"},   {"caress", "caress"},     {"cats", "cat"},
         {"feed", "feed"},       {"agreed", "agre"},   {"plastered", "plaster"}, {"bled", "bled"},
         {"motoring", "motor"},  {"sing", "sing"},     {"conflated", "conflat"}, {"troubled", "troubl"},
         {"sized", "size"},      {"hopping", "hop"},   {"tanned", "tan"},        {"falling", "fall"},
         {"hissing", "hiss"},    {"fizzed", "fizz"},   {"failing", "fail"},      {"filing", "file"},
         {"happy", "happi"},     {"motoring", "motor"}});
}

TEST_CASE("step 2: double suffixes") {
  check({{"relational", "relat"},    {"conditional", "condit"}, {"rational", "ration"},
         {"valency", "valenc"},      {"hesitancy", "hesit"},    {"digitizer", "digit"},
         {"conformably", "conform"}, {"radically", "radic"},    {"differently", "differ"},
         {"vilely", "vile"},         {"analogously", "analog"}, {"vietnamization", "vietnam"},
         {"predication", "predic"},  {"operator", "oper"},      {"feudalism", "feudal"},
         {"decisiveness", "decis"},  {"hopefulness", "hope"},   {"callousness", "callous"},
         {"formality", "formal"},    {"sensitivity", "sensit"}, {"sensibility", "sensibl"},
         {"geology", "geolog"},      {"theology", "theolog"},   {"archaeology", "archaeolog"},
         {"carefully", "care"}});
}

TEST_CASE("step 3: what turns a word into an adjective or a noun") {
  check({{"triplicate", "triplic"},
         {"formative", "form"},
         {"formalize", "formal"},
         {"electricity", "electr"},
         {"electrical", "electr"},
         {"hopeful", "hope"},
         {"goodness", "good"}});
}

TEST_CASE("step 4: the last suffix of a long word") {
  check({{"revival", "reviv"},
         {"allowance", "allow"},
         {"inference", "infer"},
         {"airliner", "airlin"},
         {"gyroscopic", "gyroscop"},
         {"adjustable", "adjust"},
         {"defensible", "defens"},
         {"irritant", "irrit"},
         {"replacement", "replac"},
         {"adjustment", "adjust"},
         {"dependent", "depend"},
         {"adoption", "adopt"},
         {"homologous", "homolog"},
         {"communism", "commun"},
         {"activate", "activ"},
         {"angularity", "angular"},
         {"effective", "effect"},
         {"bowdlerize", "bowdler"}});
}

TEST_CASE("step 5: a final e and a double l") {
  check({{"probate", "probat"},
         {"rate", "rate"},
         {"cease", "ceas"},
         {"controlling", "control"},
         {"roll", "roll"}});
}

TEST_CASE("several steps one after the other") {
  check({{"generalizations", "gener"}, {"oscillators", "oscil"}});
}

TEST_CASE("what was changed since the paper") {
  check({{"ties", "tie"},
         {"dies", "die"},
         {"died", "die"},
         {"flies", "fli"},
         {"spied", "spi"},
         {"enjoy", "enjoy"},
         {"using", "use"},
         {"sky", "sky"},
         {"skies", "sky"},
         {"dying", "die"},
         {"news", "news"},
         {"succeed", "succeed"},
         {"is", "is"},
         {"s", "s"},
         {"", ""}});
}

TEST_CASE("a y is a vowel after a consonant, in runs every second one; digits are consonants") {
  check({{"yyyying", "yyyi"}, {"syzygy", "syzygi"}, {"2nd", "2nd"}, {"1990s", "1990"}});
}

}  // namespace
}  // namespace gemma
