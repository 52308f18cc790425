// ROUGE agrees with published values: those that rouge_score's own tests state (some are runs of
// ROUGE-1.5.5), the example of Lin's paper, and an independent definition of the longest common subsequence.
#include "engine/evaluation/rouge.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace gemma {
namespace {

RougeScores scores(std::string_view reference, std::string_view answer, bool stem = false) {
  Result<RougeScores> result = rouge(answer, reference, {.stem = stem});
  REQUIRE(result);
  return *result;
}

void check(const RougeScore& score, double precision, double recall, double f1, double tolerance = 1e-12) {
  CHECK(std::abs(score.precision - precision) < tolerance);
  CHECK(std::abs(score.recall - recall) < tolerance);
  CHECK(std::abs(score.f1 - f1) < tolerance);
}

// Test vectors of rouge_score (google-research, Apache-2.0): random letters, scored there by ROUGE-1.5.5.
constexpr const char* kTargets[] = {
    "ZfbCUIUuePaiLVUlCaUXxkpu XPeWing tUHfPMuZ',-Xd Y BrUgVJing M-HV.-DgdDaY.rFDJCRing Ht-LM "
    "EKBDXkME,yz'RBr q'wtion wIojNbN wL,b .a-'XdQggyFl jB-RPP'iyOIcUxer tKM L",
    "KsJdPByEtAor fE-Qg Dpdbring cw-WeFyu vC MoBL Xdn g wkvcEiGvKtion BDFhrpMtion psing sbKao Q m qiing "
    "LMmer HqqLFXe,XPY,J XsurkMer ,ed nB'wH'bWVHjWFEing tQ.saefZwJtKrTlixYpMMsJing UCAPwNHeYVjDing c T "
    "BUySKtion gMPfJpwGw p'NvxAoping eu pBwMBKV'I DNxqelhu,PHPxDEq,mtion SN",
    "NhETebUbBk'er WOvoHMTjSRizKgH'vHiing Xu,hWxfs VkNE QhgKiLHE -HidivzoM.dO anhtion "
    "jbLQiSGDTCsuhREebUaKM dv J dVN tmbOT",
    "vMR HDm,xOAetion D,tion HJtodT.mHl UIv-p VjWH'BdyWjnfGU-OjT aEMdFICyLWfQMtion wEMfdOKing AwkeKbO "
    "'DxqNOHBH qKtVvm OYJl mM"};
constexpr const char* kPredictions[] = {
    "rFDJCRtion Ht-LM EKtDXkME,yz'RBr q'wer wrojNbN wL,b .a-'XdQggyFl jB-RPP'iyOIcUxi",
    ("n cw-WeFyu vC MoBL Xdn g wkvcEiGvKtion BDFhrpMer pstion sbKao Q m qier LMmed HqqLFXe,XPY,J XsurkMeo "
     ",ed nB'wH'bWVHjWFEer tQ.saefZwJtKrTlixYpMMNJtion UCAPwNHeYVjD"),
    "xfs VkJE QhgKiLHE -HidivzoM.dO anhing jbLQiSGDTCsuhREebUaKM dv J",
    "VjWH'BdyWjnfGU-OjTNaEMdFICyLWfQMing wEMfdOKijg AwkeKbO 'DxqNO"};

TEST_CASE("words are small letters and digits; everything else is a blank") {
  CHECK(rouge_words("The U.S.-led café, 3.14!", {}) ==
        std::vector<std::string>{"the", "u", "s", "led", "caf", "3", "14"});
  CHECK(rouge_words("日本語 Привет — “…”", {}).empty());                        // other scripts vanish
  CHECK(rouge_words("\u212Aelvin", {}) == std::vector<std::string>{"kelvin"});  // its small form is a k
  CHECK(rouge_words("", {}).empty());
}

TEST_CASE("the stemmer touches only words of more than three letters") {
  CHECK(rouge_words("dogs cats dies running", {}) ==
        std::vector<std::string>{"dogs", "cats", "dies", "running"});
  CHECK(rouge_words("dogs was dies running", {.stem = true}) ==
        std::vector<std::string>{"dog", "was", "die", "run"});
}

TEST_CASE("the small cases of rouge_score's tests") {
  check(scores("testing one two", "testing").rouge1, 1, 1.0 / 3, 1.0 / 2);
  check(scores("testing one two", "testing one").rouge2, 1, 1.0 / 2, 2.0 / 3);
  check(scores("testing one two", "testing one").rouge_l, 1, 2.0 / 3, 4.0 / 5);
  check(scores("testing one two", "testing two").rouge_l, 1, 2.0 / 3, 4.0 / 5);
  check(scores("testing one two", "testing one").rouge1, 1, 2.0 / 3, 4.0 / 5);
}

TEST_CASE("the values of ROUGE-1.5.5 on rouge_score's test texts, with and without stemmer") {
  const RougeScores first = scores(kTargets[0], kPredictions[0]);
  check(first.rouge1, 0.68750, 0.40741, 0.51163, 5e-6);
  check(first.rouge2, 0.53333, 0.30769, 0.39024, 5e-6);
  check(first.rouge_l, 0.68750, 0.40741, 0.51163, 5e-6);
  const RougeScores second = scores(kTargets[1], kPredictions[1]);
  check(second.rouge1, 0.65385, 0.40476, 0.50000, 5e-6);
  check(second.rouge2, 0.48000, 0.29268, 0.36364, 5e-6);
  check(second.rouge_l, 0.65385, 0.40476, 0.50000, 5e-6);
  check(scores(kTargets[0], kPredictions[0], true).rouge1, 0.68750, 0.40741, 0.51163, 5e-6);
  const RougeScores stemmed = scores(kTargets[1], kPredictions[1], true);
  check(stemmed.rouge1, 0.69231, 0.42857, 0.52941, 5e-6);
  check(stemmed.rouge2, 0.48000, 0.29268, 0.36364, 5e-6);

  std::string reference, answer;
  for (size_t i = 0; i < 4; ++i) {
    reference += std::string(kTargets[i]) + "\n";
    answer += std::string(kPredictions[i]) + "\n";
  }
  check(scores(reference, answer, true).rouge_lsum, 0.66667, 0.36538, 0.47205, 5e-6);
}

TEST_CASE("Lsum takes the union over sentences, as in the example of Lin's paper") {
  // LCS with the first sentence: w1 w2; with the second: w1 w3 w5; union: w1 w2 w3 w5.
  const RougeScores paper = scores("w1 w2 w3 w4 w5", "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5");
  check(paper.rouge_lsum, 4.0 / 10, 4.0 / 5, 8.0 / 15);
  // The order of the sentences matters only without line ends: w1 w3 w5 is then the longest.
  const RougeScores swapped = scores("w1 w2 w3 w4 w5", "w1 w3 w8 w9 w5\nw1 w2 w6 w7 w8");
  check(swapped.rouge_lsum, 4.0 / 10, 4.0 / 5, 8.0 / 15);
  check(swapped.rouge_l, 3.0 / 10, 3.0 / 5, 2.0 / 5);
}

TEST_CASE("a word of the union counts no more often than it occurs in the answer") {
  // Both reference sentences have w1 in their union; the answer has it once.
  check(scores("w1 w2\nw1 w3", "w1").rouge_lsum, 1, 1.0 / 4, 2.0 / 5);
}

TEST_CASE("of several longest common subsequences Lsum takes the reference implementation's") {
  // With "b a" both "a" and "b" of "a b" are one; it takes a. So a second sentence with b adds to it, one
  // with a does not.
  check(scores("a b", "b a\nb x").rouge_lsum, 2.0 / 4, 1, 2.0 / 3);
  check(scores("a b", "b a\na x").rouge_lsum, 1.0 / 4, 1.0 / 2, 1.0 / 3);
}

TEST_CASE("n-grams are multisets") {
  check(scores("the the the cat", "the cat the the the the").rouge1, 4.0 / 6, 1, 4.0 / 5);
  // Pairs: the-the 2, the-cat 1 against the-cat 1, cat-the 1, the-the 3.
  check(scores("the the the cat", "the cat the the the the").rouge2, 3.0 / 5, 1, 3.0 / 4);
}

TEST_CASE("no words on one side, or one word where pairs are asked for, is zero and not an error") {
  for (const auto& [reference, answer] : std::vector<std::pair<std::string, std::string>>{
           {"w1 w2", ""}, {"", "w1"}, {"", ""}, {"w1 w2 w3", "/"}, {"\n\n", "w1\n\nw2"}, {"日本", "日本"}}) {
    const RougeScores none = scores(reference, answer);
    for (const RougeScore& score : {none.rouge1, none.rouge2, none.rouge_l, none.rouge_lsum}) {
      check(score, 0, 0, 0);
    }
  }
  check(scores("word", "word").rouge2, 0, 0, 0);
  check(scores("word", "word").rouge_lsum, 1, 1, 1);
}

TEST_CASE("the longest common subsequence is the longest of all common ones") {
  // All 2^8 subsequences of the reference, tried against the answer: slow, and nothing to get wrong.
  const auto is_inside = [](const std::string& small, const std::string& large) {
    size_t at = 0;
    for (char c : large) at += at < small.size() && small[at] == c;
    return at == small.size();
  };
  const auto spaced = [](const std::string& letters) {
    std::string out;
    for (char c : letters) out += std::string(1, c) + ' ';
    return out;
  };
  uint32_t state = 7;
  for (int round = 0; round < 200; ++round) {
    std::string a, b;
    for (int i = 0; i < 8; ++i) {
      state = state * 1664525 + 1013904223;
      a += static_cast<char>('a' + (state >> 24) % 4);
      b += static_cast<char>('a' + (state >> 16) % 4);
    }
    size_t longest = 0;
    for (unsigned subset = 0; subset < 256; ++subset) {
      std::string some;
      for (size_t i = 0; i < 8; ++i) {
        if (subset >> i & 1) some += a[i];
      }
      if (is_inside(some, b)) longest = std::max(longest, some.size());
    }
    CHECK(scores(spaced(a), spaced(b)).rouge_l.recall * 8 == doctest::Approx(static_cast<double>(longest)));
  }
}

TEST_CASE("of several references each figure takes the one with the largest F") {
  const std::vector<std::string> references = {"one two three", "three two one", "two"};
  Result<RougeScores> best = rouge("one two", references, {});
  REQUIRE(best);
  check(best->rouge1, 1, 2.0 / 3, 4.0 / 5);   // the first two tie; also P 1/2, R 1, F 2/3 of the last
  check(best->rouge_l, 1, 2.0 / 3, 4.0 / 5);  // of the first
  Result<RougeScores> none = rouge("one", std::vector<std::string>{}, {});
  REQUIRE(none);
  check(none->rouge1, 0, 0, 0);
}

TEST_CASE("texts whose table would be larger than what is walked are refused") {
  std::string words;
  for (int i = 0; i < 17000; ++i) words += "w ";
  Result<RougeScores> result = rouge(words, words, {});
  REQUIRE(!result);
  CHECK(result.error().code == ErrorCode::kResource);
  CHECK(result.error().what == "17000 words against 17000 are more than can be compared");
}

}  // namespace
}  // namespace gemma
