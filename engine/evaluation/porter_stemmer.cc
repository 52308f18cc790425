#include "engine/evaluation/porter_stemmer.h"

#include <array>
#include <span>
#include <utility>

namespace gemma {
namespace {

// A vowel is a, e, i, o, u, or a y after a consonant.
bool is_vowel(std::string_view word, size_t at) {
  switch (word[at]) {
    case 'a':
    case 'e':
    case 'i':
    case 'o':
    case 'u':
      return true;
    case 'y':
      break;
    default:
      return false;
  }
  // Of a run of y, the kinds alternate: what the first one is decides, so no recursion is needed.
  size_t first = at;
  while (first > 0 && word[first - 1] == 'y') --first;
  const bool first_is_vowel = first > 0 && !is_vowel(word, first - 1);
  return (at - first) % 2 == 0 ? first_is_vowel : !first_is_vowel;
}

// m: how often a vowel is followed by a consonant.
size_t measure(std::string_view stem) {
  size_t m = 0;
  bool after_vowel = false;
  for (size_t i = 0; i < stem.size(); ++i) {
    // As is_vowel(stem, i), with the letter before already judged.
    const char c = stem[i];
    const bool vowel =
        c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u' || (c == 'y' && i > 0 && !after_vowel);
    if (after_vowel && !vowel) ++m;
    after_vowel = vowel;
  }
  return m;
}

bool has_vowel(std::string_view stem) {
  for (size_t i = 0; i < stem.size(); ++i) {
    if (is_vowel(stem, i)) return true;
  }
  return false;
}

bool ends_in_double_consonant(std::string_view word) {
  const size_t n = word.size();
  return n >= 2 && word[n - 1] == word[n - 2] && !is_vowel(word, n - 1);
}

// Consonant, vowel, consonant other than w, x, y; or no more than vowel and consonant.
bool ends_in_short_syllable(std::string_view word) {
  const size_t n = word.size();
  if (n == 2) return is_vowel(word, 0) && !is_vowel(word, 1);
  if (n < 3 || is_vowel(word, n - 3) || !is_vowel(word, n - 2) || is_vowel(word, n - 1)) return false;
  const char last = word[n - 1];
  return last != 'w' && last != 'x' && last != 'y';
}

std::string with_ending(std::string_view word, size_t cut, std::string_view ending) {
  std::string out(word.substr(0, word.size() - cut));
  out += ending;
  return out;
}

struct Rule {
  std::string_view suffix, replacement;
};

// The first rule whose suffix is there decides: it applies if the stem before it has a measure above
// `above`, else nothing does.
std::string apply(std::string_view word, std::span<const Rule> rules, size_t above) {
  for (const Rule& rule : rules) {
    if (!word.ends_with(rule.suffix)) continue;
    if (measure(word.substr(0, word.size() - rule.suffix.size())) <= above) break;
    return with_ending(word, rule.suffix.size(), rule.replacement);
  }
  return std::string(word);
}

std::string plural(std::string_view word) {
  if (word.ends_with("ies")) return with_ending(word, 3, word.size() == 4 ? "ie" : "i");
  if (word.ends_with("sses")) return with_ending(word, 2, "");
  if (word.ends_with("s") && !word.ends_with("ss")) return with_ending(word, 1, "");
  return std::string(word);
}

std::string past_and_gerund(std::string_view word) {
  if (word.ends_with("ied")) return with_ending(word, 3, word.size() == 4 ? "ie" : "i");
  if (word.ends_with("eed")) {
    return measure(word.substr(0, word.size() - 3)) > 0 ? with_ending(word, 1, "") : std::string(word);
  }
  const size_t cut = word.ends_with("ed") ? 2 : word.ends_with("ing") ? 3 : 0;
  const std::string_view stem = word.substr(0, word.size() - cut);
  if (cut == 0 || !has_vowel(stem)) return std::string(word);
  if (stem.ends_with("at") || stem.ends_with("bl") || stem.ends_with("iz")) return with_ending(stem, 0, "e");
  if (ends_in_double_consonant(stem)) {
    const char last = stem.back();
    return with_ending(stem, last == 'l' || last == 's' || last == 'z' ? 0 : 1, "");
  }
  return with_ending(stem, 0, measure(stem) == 1 && ends_in_short_syllable(stem) ? "e" : "");
}

std::string final_y(std::string_view word) {
  const bool changes = word.size() > 2 && word.back() == 'y' && !is_vowel(word, word.size() - 2);
  return changes ? with_ending(word, 1, "i") : std::string(word);
}

std::string double_suffix(std::string_view given) {
  constexpr std::array<Rule, 20> kRules = {
      {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"},   {"izer", "ize"},
       {"bli", "ble"},     {"entli", "ent"},   {"eli", "e"},     {"ousli", "ous"},   {"ization", "ize"},
       {"ation", "ate"},   {"ator", "ate"},    {"alism", "al"},  {"iveness", "ive"}, {"fulness", "ful"},
       {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"}, {"biliti", "ble"},  {"fulli", "ful"}}};
  std::string word(given);
  // An "alli" that gave "al" may end in another double suffix: "-ationalli".
  if (word.ends_with("alli")) {
    if (measure(std::string_view(word).substr(0, word.size() - 4)) == 0) return word;
    word.resize(word.size() - 2);
  }
  if (word.ends_with("logi")) {
    // The l counts as part of the stem, so that "geologi" has one.
    return measure(std::string_view(word).substr(0, word.size() - 3)) > 0 ? with_ending(word, 1, "") : word;
  }
  return apply(word, kRules, 0);
}

std::string adjective_suffix(std::string_view word) {
  constexpr std::array<Rule, 7> kRules = {{{"icate", "ic"},
                                           {"ative", ""},
                                           {"alize", "al"},
                                           {"iciti", "ic"},
                                           {"ical", "ic"},
                                           {"ful", ""},
                                           {"ness", ""}}};
  return apply(word, kRules, 0);
}

std::string last_suffix(std::string_view word) {
  constexpr std::array<Rule, 18> kRules = {{{"al", ""},
                                            {"ance", ""},
                                            {"ence", ""},
                                            {"er", ""},
                                            {"ic", ""},
                                            {"able", ""},
                                            {"ible", ""},
                                            {"ant", ""},
                                            {"ement", ""},
                                            {"ment", ""},
                                            {"ent", ""},
                                            {"ou", ""},
                                            {"ism", ""},
                                            {"ate", ""},
                                            {"iti", ""},
                                            {"ous", ""},
                                            {"ive", ""},
                                            {"ize", ""}}};
  if (word.ends_with("ion")) {
    const std::string_view stem = word.substr(0, word.size() - 3);
    const bool applies = measure(stem) > 1 && (stem.back() == 's' || stem.back() == 't');
    return std::string(applies ? stem : word);
  }
  return apply(word, kRules, 1);
}

std::string final_e_and_double_l(std::string word) {
  if (word.ends_with("e")) {
    const std::string_view stem = std::string_view(word).substr(0, word.size() - 1);
    const size_t m = measure(stem);
    if (m > 1 || (m == 1 && !ends_in_short_syllable(stem))) word.pop_back();
  }
  if (word.ends_with("ll") && measure(std::string_view(word).substr(0, word.size() - 1)) > 1) word.pop_back();
  return word;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kIrregular = {
    {{"sky", "sky"},
     {"skies", "sky"},
     {"dying", "die"},
     {"lying", "lie"},
     {"tying", "tie"},
     {"news", "news"},
     {"innings", "inning"},
     {"inning", "inning"},
     {"outings", "outing"},
     {"outing", "outing"},
     {"cannings", "canning"},
     {"canning", "canning"},
     {"howe", "howe"},
     {"proceed", "proceed"},
     {"exceed", "exceed"},
     {"succeed", "succeed"}}};

}  // namespace

std::string porter_stem(std::string_view word) {
  if (word.size() <= 2) return std::string(word);
  for (const auto& [form, stem] : kIrregular) {
    if (word == form) return std::string(stem);
  }
  return final_e_and_double_l(
      last_suffix(adjective_suffix(double_suffix(final_y(past_and_gerund(plural(word)))))));
}

}  // namespace gemma
