#include "engine/logits_processors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include <doctest/doctest.h>

using namespace gemma;

namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();

using Row = std::vector<float>;
using Tokens = std::vector<int32_t>;

Row processed(const SamplingOptions& options, Row scores, const Tokens& prompt, const Tokens& answer) {
  LogitsProcessors processors(options, scores.size());
  processors.append_prompt(prompt);
  for (int32_t token : answer) processors.append(token);
  processors.apply(scores);
  return scores;
}

// Each processor as its definition says, over the whole text, one after the other.
Row slowly_processed(const SamplingOptions& options, Row scores, const Tokens& prompt, const Tokens& answer) {
  Tokens text = prompt;
  text.insert(text.end(), answer.begin(), answer.end());
  const auto at = [&](int32_t id) -> float& { return scores[static_cast<size_t>(id)]; };
  for (const auto& [id, bias] : options.logit_bias) at(id) += bias;
  for (int32_t id : std::set<int32_t>(text.begin(), text.end())) {
    const double score = static_cast<double>(at(id));
    at(id) = static_cast<float>(score < 0 ? score * options.repetition_penalty
                                          : score / options.repetition_penalty);
  }
  for (int32_t id : std::set<int32_t>(answer.begin(), answer.end())) {
    const auto count = static_cast<double>(std::count(answer.begin(), answer.end(), id));
    at(id) = static_cast<float>(static_cast<double>(at(id)) -
                                (options.presence_penalty + options.frequency_penalty * count));
  }
  const auto n = static_cast<size_t>(options.no_repeat_ngram_size);
  for (size_t start = 0; n > 0 && start + n <= text.size(); ++start) {
    bool same = true;
    for (size_t i = 0; i + 1 < n; ++i) same = same && text[start + i] == text[text.size() - (n - 1) + i];
    if (same) at(text[start + n - 1]) = kOut;
  }
  if (answer.size() < static_cast<size_t>(options.min_new_tokens)) {
    for (int32_t id : options.eos_token_id) at(id) = kOut;
  }
  for (int32_t id : options.suppress_tokens) at(id) = kOut;
  return scores;
}

}  // namespace

TEST_CASE("without options nothing changes") {
  const Row row{1, -2, 3, 0};
  CHECK(processed({}, row, {0, 1}, {2, 2}) == row);
}

TEST_CASE("the bias is added") {
  SamplingOptions options;
  options.logit_bias = {{0, 1.5f}, {2, -4.0f}, {3, kOut}};
  CHECK(processed(options, {1, 2, 3, 4}, {}, {}) == Row{2.5f, 2, -1, kOut});
}

TEST_CASE(
    "the repetition penalty divides what is positive and multiplies what is negative, prompt included") {
  SamplingOptions options;
  options.repetition_penalty = 2.0;
  CHECK(processed(options, {4, -4, 0, 4, -4}, {0, 1, 0}, {2}) == Row{2, -8, 0, 4, -4});
  options.repetition_penalty = 0.5;
  CHECK(processed(options, {4, -4, 4}, {}, {0, 1}) == Row{8, -2, 4});
}

TEST_CASE("presence counts once, frequency each time, and the prompt not at all") {
  SamplingOptions options;
  options.presence_penalty = 0.5;
  CHECK(processed(options, {1, 1, 1}, {0}, {1, 1, 1}) == Row{1, 0.5f, 1});
  options.frequency_penalty = 0.25;
  CHECK(processed(options, {1, 1, 1}, {0}, {1, 1, 1, 2}) == Row{1, -0.25f, 0.25f});
  options.presence_penalty = -1.0;
  CHECK(processed(options, {1, 1, 1}, {0}, {1}) == Row{1, 1.75f, 1});
}

TEST_CASE("an n-gram of prompt or answer is not repeated") {
  SamplingOptions options;
  options.no_repeat_ngram_size = 2;
  CHECK(processed(options, {1, 1, 1, 1}, {0, 1, 0, 2}, {0}) == Row{1, kOut, kOut, 1});
  options.no_repeat_ngram_size = 3;
  CHECK(processed(options, {1, 1, 1, 1}, {0, 1, 2}, {0, 1}) == Row{1, 1, kOut, 1});
  CHECK(processed(options, {1, 1, 1, 1}, {0, 1, 2}, {0}) == Row{1, 1, 1, 1});
}

TEST_CASE("no end before the minimum length, which the prompt does not count for") {
  SamplingOptions options;
  options.min_new_tokens = 2;
  options.eos_token_id = {0, 3};
  CHECK(processed(options, {1, 1, 1, 1}, {1, 1, 1}, {1}) == Row{kOut, 1, 1, kOut});
  CHECK(processed(options, {1, 1, 1, 1}, {}, {1, 1}) == Row{1, 1, 1, 1});
}

TEST_CASE("suppressed tokens are impossible") {
  SamplingOptions options;
  options.suppress_tokens = {1};
  CHECK(processed(options, {1, 100, 1}, {}, {}) == Row{1, kOut, 1});
}

TEST_CASE("order: the bias comes before the repetition penalty") {
  SamplingOptions options;
  options.logit_bias = {{0, 3.0f}};
  options.repetition_penalty = 2.0;
  CHECK(processed(options, {1}, {0}, {}) == Row{2});  // (1 + 3) / 2, not 1 / 2 + 3
}

TEST_CASE("order: the repetition penalty comes before presence and frequency") {
  SamplingOptions options;
  options.repetition_penalty = 2.0;
  options.presence_penalty = 3.0;
  CHECK(processed(options, {4}, {}, {0}) == Row{-1});  // 4 / 2 - 3, not (4 - 3) / 2
}

TEST_CASE("order: a bias does not bring back what is suppressed, repeated or too early to end") {
  SamplingOptions options;
  options.logit_bias = {{0, 1e30f}, {1, 1e30f}, {2, 1e30f}};
  options.suppress_tokens = {0};
  options.min_new_tokens = 5;
  options.eos_token_id = {1};
  options.no_repeat_ngram_size = 1;
  CHECK(processed(options, {1, 1, 1, 1}, {}, {2}) == Row{kOut, kOut, kOut, 1});
}

TEST_CASE("what is impossible stays impossible") {
  SamplingOptions options;
  options.repetition_penalty = 1.3;
  options.presence_penalty = -5.0;
  options.logit_bias = {{0, 10.0f}};
  CHECK(processed(options, {kOut, 1}, {0}, {0}) == Row{kOut, 1});
}

TEST_CASE("prompt tokens outside the vocabulary are ignored") {
  SamplingOptions options;
  options.repetition_penalty = 2.0;
  options.no_repeat_ngram_size = 2;
  CHECK(processed(options, {4, 4}, {0, 7, -1, 0}, {}) == Row{2, 4});
}

TEST_CASE("every combination agrees with the definitions, over random texts") {
  std::mt19937_64 random(4);
  const auto number = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random() % 4096) / 4096.0;
  };
  constexpr size_t kVocab = 12;
  const auto id = [&] { return static_cast<int32_t>(random() % kVocab); };
  for (int round = 0; round < 500; ++round) {
    SamplingOptions options;
    if (random() % 2) options.repetition_penalty = number(0.5, 2.0);
    if (random() % 2) options.presence_penalty = number(-1.0, 1.0);
    if (random() % 2) options.frequency_penalty = number(-1.0, 1.0);
    options.no_repeat_ngram_size = static_cast<int64_t>(random() % 4);
    options.min_new_tokens = static_cast<int64_t>(random() % 8);
    for (uint64_t i = random() % 3; i > 0; --i) options.eos_token_id.push_back(id());
    for (uint64_t i = random() % 3; i > 0; --i) options.suppress_tokens.push_back(id());
    for (uint64_t i = random() % 3; i > 0; --i) options.logit_bias[id()] = static_cast<float>(number(-3, 3));
    Tokens prompt(random() % 10), answer;
    for (int32_t& token : prompt) token = id();
    LogitsProcessors processors(options, kVocab);
    processors.append_prompt(prompt);
    for (int step = 0; step < 12; ++step) {
      Row row(kVocab);
      for (float& value : row) value = static_cast<float>(number(-8, 8));
      const Row expected = slowly_processed(options, row, prompt, answer);
      processors.apply(row);
      // presence + frequency * count is rounded after the repetition penalty in both: equal to the bit.
      REQUIRE(row == expected);
      answer.push_back(id());
      processors.append(answer.back());
    }
  }
}

TEST_CASE("a copy is a fork of the history") {
  SamplingOptions options;
  options.presence_penalty = 1.0;
  options.no_repeat_ngram_size = 2;
  LogitsProcessors one(options, 4);
  one.append(0);
  LogitsProcessors two = one;
  one.append(1);
  two.append(0);
  Row first{0, 0, 0, 0}, second = first;
  one.apply(first);
  two.apply(second);
  CHECK(first == Row{-1, -1, 0, 0});
  CHECK(second == Row{kOut, 0, 0, 0});
  CHECK(one.generated() == 2);
}
