#include "engine/evaluation/rouge.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "engine/evaluation/porter_stemmer.h"
#include "loader/unicode.h"
#include "loader/utf8.h"

namespace gemma {
namespace {

using Words = std::vector<uint32_t>;  // a number for each distinct word

class Numbering {
 public:
  explicit Numbering(const RougeOptions& options) : options_(options) {}
  Words words(std::string_view text) {
    Words out;
    for (std::string& word : rouge_words(text, options_)) {
      out.push_back(
          numbers_.try_emplace(std::move(word), static_cast<uint32_t>(numbers_.size())).first->second);
    }
    return out;
  }
  size_t size() const { return numbers_.size(); }

 private:
  const RougeOptions& options_;
  std::map<std::string, uint32_t> numbers_;
};

RougeScore score_of(size_t hits, size_t answer, size_t reference) {
  RougeScore score;
  if (hits == 0) return score;
  score.precision = static_cast<double>(hits) / static_cast<double>(answer);
  score.recall = static_cast<double>(hits) / static_cast<double>(reference);
  score.f1 = 2 * score.precision * score.recall / (score.precision + score.recall);
  return score;
}

// n-grams of up to two words as one number each, sorted.
std::vector<uint64_t> ngrams(const Words& words, size_t n) {
  std::vector<uint64_t> out;
  for (size_t i = 0; i + n <= words.size(); ++i) {
    out.push_back(n == 1 ? words[i] : uint64_t{words[i]} << 32 | words[i + 1]);
  }
  std::sort(out.begin(), out.end());
  return out;
}

RougeScore rouge_n(const Words& answer, const Words& reference, size_t n) {
  const std::vector<uint64_t> found = ngrams(answer, n), expected = ngrams(reference, n);
  std::vector<uint64_t> shared;  // of sorted multisets: each as often as in the one that has it less often
  std::set_intersection(found.begin(), found.end(), expected.begin(), expected.end(),
                        std::back_inserter(shared));
  return score_of(shared.size(), found.size(), expected.size());
}

// The longest common subsequence of a reference and an answer.
class CommonSubsequence {
 public:
  // Fills the table of lengths row by row; of it only the bit stays that finding the way back asks for:
  // whether the length without the last answer word is the larger one.
  size_t length(const Words& reference, const Words& answer, bool keep_way) {
    const size_t columns = answer.size();
    above_.assign(columns + 1, 0);
    row_.assign(columns + 1, 0);
    if (keep_way) left_is_longer_.assign(reference.size() * columns, false);
    for (size_t i = 0; i < reference.size(); ++i) {
      for (size_t j = 0; j < columns; ++j) {
        const uint32_t up = above_[j + 1], left = row_[j];
        row_[j + 1] = reference[i] == answer[j] ? above_[j] + 1 : std::max(up, left);
        if (keep_way && left > up) left_is_longer_[i * columns + j] = true;
      }
      std::swap(above_, row_);
    }
    return above_[columns];
  }

  // Marks the words of the reference that one longest common subsequence consists of; where several do, the
  // one that the reference implementation finds: from the end, an answer word is left out only if that alone
  // keeps the length.
  void mark(const Words& reference, const Words& answer, std::vector<bool>& marks) {
    length(reference, answer, true);
    size_t i = reference.size(), j = answer.size();
    while (i > 0 && j > 0) {
      if (reference[i - 1] == answer[j - 1]) {
        marks[--i] = true;
        --j;
      } else if (left_is_longer_[(i - 1) * answer.size() + j - 1]) {
        --j;
      } else {
        --i;
      }
    }
  }

 private:
  std::vector<uint32_t> above_, row_;
  std::vector<bool> left_is_longer_;  // (reference words, answer words)
};

std::vector<Words> sentences(std::string_view text, Numbering& numbering) {
  std::vector<Words> out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out.push_back(numbering.words(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return out;
}

std::vector<size_t> count_words(const std::vector<Words>& sentences, size_t distinct) {
  std::vector<size_t> counts(distinct, 0);
  for (const Words& sentence : sentences) {
    for (uint32_t word : sentence) ++counts[word];
  }
  return counts;
}

size_t total_words(const std::vector<Words>& sentences) {
  size_t total = 0;
  for (const Words& sentence : sentences) total += sentence.size();
  return total;
}

RougeScore rouge_lsum(const std::vector<Words>& answer, const std::vector<Words>& reference,
                      size_t distinct) {
  std::vector<size_t> answer_left = count_words(answer, distinct);
  std::vector<size_t> reference_left = count_words(reference, distinct);
  CommonSubsequence common;
  size_t hits = 0;
  for (const Words& expected : reference) {
    std::vector<bool> in_union(expected.size(), false);
    for (const Words& found : answer) common.mark(expected, found, in_union);
    for (size_t i = 0; i < expected.size(); ++i) {
      const uint32_t word = expected[i];
      if (!in_union[i] || answer_left[word] == 0 || reference_left[word] == 0) continue;
      ++hits;
      --answer_left[word];
      --reference_left[word];
    }
  }
  return score_of(hits, total_words(answer), total_words(reference));
}

void keep_better(RougeScore& best, const RougeScore& score) {
  if (score.f1 > best.f1) best = score;
}

}  // namespace

std::vector<std::string> rouge_words(std::string_view text, const RougeOptions& options) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (word.empty()) return;
    words.push_back(options.stem && word.size() > 3 ? porter_stem(word) : word);
    word.clear();
  };
  // Small letters first: of the letters beyond ASCII two have small forms within it, the Kelvin sign and the
  // I with a dot, and count.
  for (char c : lower_case(text)) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      word += c;
    } else {
      end_word();
    }
  }
  end_word();
  return words;
}

Result<RougeScores> rouge(std::string_view answer, std::string_view reference, const RougeOptions& options) {
  Numbering numbering(options);
  const std::vector<Words> found = sentences(answer, numbering), expected = sentences(reference, numbering);
  // A line end is a blank: the words of the whole text are those of its lines.
  Words all_found, all_expected;
  for (const Words& sentence : found) all_found.insert(all_found.end(), sentence.begin(), sentence.end());
  for (const Words& sentence : expected) {
    all_expected.insert(all_expected.end(), sentence.begin(), sentence.end());
  }
  if (!all_found.empty() && all_expected.size() > kMostRougeCells / all_found.size()) {
    return fail(ErrorCode::kResource, "ROUGE",
                fmt::format("{} words against {} are more than can be compared", all_found.size(),
                            all_expected.size()),
                "score shorter texts");
  }
  RougeScores scores;
  scores.rouge1 = rouge_n(all_found, all_expected, 1);
  scores.rouge2 = rouge_n(all_found, all_expected, 2);
  CommonSubsequence common;
  scores.rouge_l =
      score_of(common.length(all_expected, all_found, false), all_found.size(), all_expected.size());
  scores.rouge_lsum = rouge_lsum(found, expected, numbering.size());
  return scores;
}

Result<RougeScores> rouge(std::string_view answer, std::span<const std::string> references,
                          const RougeOptions& options) {
  RougeScores best;
  for (const std::string& reference : references) {
    Result<RougeScores> one = rouge(answer, reference, options);
    if (!one) return one;
    keep_better(best.rouge1, one->rouge1);
    keep_better(best.rouge2, one->rouge2);
    keep_better(best.rouge_l, one->rouge_l);
    keep_better(best.rouge_lsum, one->rouge_lsum);
  }
  return best;
}

}  // namespace gemma
