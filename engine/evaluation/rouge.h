// ROUGE: how much of a reference text a generated one covers, in words, word pairs and common subsequences.
//
// Source: Chin-Yew Lin, "ROUGE: a package for automatic evaluation of summaries", 2004; in every detail the
// reference implementation rouge_score (google-research), which agrees with ROUGE-1.5.5 -e data -n 2 [-m].
// Words: small letters, everything but a-z and 0-9 is a blank; so text in other scripts vanishes. With the
// stemmer, words of more than three letters are replaced by their stem (engine/evaluation/porter_stemmer.h).
//
//   ROUGE-N     shared n-grams (as multisets) / those of the answer, / those of the reference
//   ROUGE-L     length of the longest common subsequence of both texts, line ends ignored
//   ROUGE-Lsum  sentences are lines; for each reference sentence the union of its longest common subsequences
//               with all answer sentences; a word counts no more often than it occurs on either side
//   f1          2PR / (P + R), the figure that is usually quoted
//
//   Result<RougeScores> scores = rouge(answer, reference, {.stem = true});
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace gemma {

struct RougeOptions {
  bool stem = false;
};

// All three 0 .. 1.
struct RougeScore {
  double precision = 0, recall = 0, f1 = 0;
};

struct RougeScores {
  RougeScore rouge1, rouge2, rouge_l, rouge_lsum;
};

// A table of words of the reference by words of the answer must be walked; more cells than this are refused.
inline constexpr size_t kMostRougeCells = size_t{1} << 28;

// The words that count, in order.
std::vector<std::string> rouge_words(std::string_view text, const RougeOptions& options);

// kResource for texts whose table would exceed kMostRougeCells (16000 by 16000 words).
Result<RougeScores> rouge(std::string_view answer, std::string_view reference, const RougeOptions& options);

// Of several references, for each figure the score with the largest f1, the first of equal ones. Without any
// all are 0.
Result<RougeScores> rouge(std::string_view answer, std::span<const std::string> references,
                          const RougeOptions& options);

}  // namespace gemma
