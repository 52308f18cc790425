// How well an answer fits, by the rules of SQuAD: exact match and F1 over words.
//
// Source: the official evaluation script of SQuAD 2.0 (Rajpurkar, Jia, Liang 2018, evaluate-v2.0.py), whose
// two functions are those of SQuAD 1.1 but for empty texts. Before comparing, a text is normalized:
// small letters, ASCII punctuation removed (not replaced: "e-mail" is "email"; Unicode's quotes and dashes
// stay), the words a, an, the removed, blanks collapsed.
//
//   SquadScore score = squad_score("The Eiffel tower.", std::vector<std::string>{"Eiffel Tower"});
//   // exact_match 1, f1 1
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gemma {

struct SquadScore {
  double exact_match = 0;  // 1 or 0
  double f1 = 0;           // 0 .. 1
};

std::string squad_normalize(std::string_view text);

// Of one reference. F1 = 2PR / (P + R) over the multiset of words that both share; if either has no word, 1
// if neither has, else 0.
SquadScore squad_score(std::string_view answer, std::string_view reference);

// The best of all references, each figure by itself. References that normalize to nothing are left out; if
// none is left, the question has no answer, and only an empty answer is right.
SquadScore squad_score(std::string_view answer, std::span<const std::string> references);

}  // namespace gemma
