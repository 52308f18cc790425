// Porter's stemmer for English, as the stemming of ROUGE uses it: "relational" and "related" become "relat".
//
// Source: M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, with the changes that
// Porter made later (BLI and LOGI in step 2, short words left alone) and those of NLTK's default mode,
// because the reference implementation of ROUGE takes its stems from there: twelve irregular words; "dies"
// and "died" give "die"; y becomes i after a consonant that is not the first letter; "alli" before "bli";
// "fulli"; a stem of vowel and consonant, such as "us" of "using", counts as a short syllable.
#pragma once

#include <string>
#include <string_view>

namespace gemma {

// `word`: small ASCII letters and digits (digits count as consonants).
std::string porter_stem(std::string_view word);

}  // namespace gemma
