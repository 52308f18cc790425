#include "engine/evaluation/squad_score.h"

#include <algorithm>
#include <vector>

#include "loader/unicode.h"
#include "loader/utf8.h"

namespace gemma {
namespace {

bool is_ascii_punctuation(char32_t c) {
  return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
         (c >= 0x7B && c <= 0x7E);
}

std::string without_punctuation(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (!is_ascii_punctuation(static_cast<unsigned char>(c))) out += c;
  }
  return out;
}

bool is_article(std::string_view word) {
  return word == "a" || word == "an" || word == "the";
}

// An article between word boundaries becomes a blank. A boundary is not only a blank: a dash that is no ASCII
// is one too.
std::string without_articles(std::string_view text) {
  std::string out;
  size_t begin = 0;  // of the run at hand: word characters, or none
  bool word_run = false;
  const auto end_run = [&](size_t end) {
    const std::string_view run = text.substr(begin, end - begin);
    if (word_run && is_article(run)) {
      out += ' ';
    } else {
      out += run;
    }
    begin = end;
  };
  Utf8Scalar scalar;
  for (size_t at = 0; at < text.size(); at += scalar.size) {
    scalar = utf8_scalar(text, at);
    const bool in_word = scalar.valid && is_word_character(scalar.value);
    if (in_word != word_run) end_run(at);
    word_run = in_word;
  }
  end_run(text.size());
  return out;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  size_t begin = 0;
  Utf8Scalar scalar;
  for (size_t at = 0; at < text.size(); at += scalar.size) {
    scalar = utf8_scalar(text, at);
    if (!scalar.valid || !is_blank(scalar.value)) continue;
    if (at > begin) words.push_back(text.substr(begin, at - begin));
    begin = at + scalar.size;
  }
  if (begin < text.size()) words.push_back(text.substr(begin));
  return words;
}

// How many words two texts share, each as often as in the one that has it less often.
size_t shared_words(std::vector<std::string_view> a, std::vector<std::string_view> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  size_t shared = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i] == b[j]) {
      ++shared;
      ++i;
      ++j;
    } else if (a[i] < b[j]) {
      ++i;
    } else {
      ++j;
    }
  }
  return shared;
}

// Of texts that are normalized already.
SquadScore score(std::string_view answer, std::string_view reference) {
  const std::vector<std::string_view> found = split(answer), expected = split(reference);
  SquadScore result;
  result.exact_match = answer == reference ? 1 : 0;
  if (found.empty() || expected.empty()) {
    result.f1 = found.empty() && expected.empty() ? 1 : 0;
    return result;
  }
  const auto shared = static_cast<double>(shared_words(found, expected));
  if (shared == 0) return result;
  const double precision = shared / static_cast<double>(found.size());
  const double recall = shared / static_cast<double>(expected.size());
  result.f1 = 2 * precision * recall / (precision + recall);
  return result;
}

}  // namespace

std::string squad_normalize(std::string_view text) {
  const std::string plain = without_articles(without_punctuation(lower_case(text)));
  std::string out;
  for (std::string_view word : split(plain)) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

SquadScore squad_score(std::string_view answer, std::string_view reference) {
  return score(squad_normalize(answer), squad_normalize(reference));
}

SquadScore squad_score(std::string_view answer, std::span<const std::string> references) {
  const std::string found = squad_normalize(answer);
  SquadScore best;
  bool has_answer = false;
  for (const std::string& reference : references) {
    const std::string expected = squad_normalize(reference);
    if (expected.empty()) continue;
    has_answer = true;
    const SquadScore one = score(found, expected);
    best.exact_match = std::max(best.exact_match, one.exact_match);
    best.f1 = std::max(best.f1, one.f1);
  }
  return has_answer ? best : score(found, "");
}

}  // namespace gemma
