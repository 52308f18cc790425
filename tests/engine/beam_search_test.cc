#include "engine/beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/reductions.h"

using namespace gemma;

namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();

using Row = std::vector<float>;
using Tokens = std::vector<int32_t>;

// A model that is a table: the logits depend on the text so far, by a seed drawn from it.
struct Table {
  size_t vocab = 8;
  uint64_t seed = 0;

  Row logits(const Tokens& text) const {
    uint64_t state = seed;
    for (int32_t token : text) state = state * 1000003 + static_cast<uint64_t>(token) + 1;
    std::mt19937_64 random(state);
    Row row(vocab);
    for (float& value : row) value = static_cast<float>(random() % 60000) / 10000.0f - 3.0f;
    return row;
  }
};

// Holds the text of every beam, and checks the promises that advance() makes.
class TableHost : public BeamHost {
 public:
  explicit TableHost(Table table) : table_(table), texts_(1) { compute(); }

  Result<void> advance(std::span<const BeamStep> steps) override {
    ++advances;
    if (advances == fail_at) return fail(ErrorCode::kResource, "session", "no memory");
    std::set<size_t> overwritten;
    for (size_t b = 0; b < steps.size(); ++b) {
      REQUIRE(steps[b].parent < texts_.size());
      if (steps[b].parent != b) overwritten.insert(b);
    }
    for (const BeamStep& step : steps) REQUIRE(overwritten.count(step.parent) == 0);
    copies += overwritten.size();
    most_beams = std::max(most_beams, steps.size());
    texts_.resize(std::max(texts_.size(), steps.size()));
    for (size_t b = 0; b < steps.size(); ++b) {
      if (steps[b].parent != b) texts_[b] = texts_[steps[b].parent];
    }
    texts_.resize(steps.size());
    for (size_t b = 0; b < steps.size(); ++b) texts_[b].push_back(steps[b].token);
    compute();
    return {};
  }

  std::span<const float> logits(size_t beam) const override { return rows_[beam]; }

  bool ends(size_t beam, int32_t token) const override {
    return !stop.empty() && texts_[beam].size() + 1 >= stop.size() && token == stop.back() &&
           std::equal(stop.begin(), stop.end() - 1,
                      texts_[beam].end() - static_cast<std::ptrdiff_t>(stop.size() - 1));
  }

  size_t advances = 0, fail_at = 0, copies = 0, most_beams = 1;
  Tokens stop;  // tokens that end a text for the host's reason

 private:
  void compute() {
    rows_.clear();
    for (const Tokens& text : texts_) rows_.push_back(table_.logits(text));
  }

  Table table_;
  std::vector<Tokens> texts_;
  std::vector<Row> rows_;
};

SamplingOptions beams(int64_t num_beams, int64_t max_new_tokens, Tokens eos = {}) {
  SamplingOptions options;
  options.num_beams = num_beams;
  options.max_new_tokens = max_new_tokens;
  options.eos_token_id = std::move(eos);
  options.seed = 77;
  return options;
}

std::vector<BeamHypothesis> search(BeamHost& host, const SamplingOptions& options, size_t vocab = 8) {
  Result<std::vector<BeamHypothesis>> result = beam_search(host, options, {}, vocab);
  REQUIRE(result);
  return std::move(*result);
}

std::vector<BeamHypothesis> search(const Table& table, const SamplingOptions& options) {
  TableHost host(table);
  return search(host, options, table.vocab);
}

// Every text that ends with an eos id or has all n tokens, the best score first.
void enumerate(const Table& table, const SamplingOptions& options, Tokens& text, double sum,
               std::vector<BeamHypothesis>& all) {
  const Row row = table.logits(text);
  const double log_z = kernels::log_sum_exp(row);
  for (size_t id = 0; id < table.vocab; ++id) {
    text.push_back(static_cast<int32_t>(id));
    const double total = sum + static_cast<double>(row[id]) - log_z;
    const auto& eos = options.eos_token_id;
    if (text.size() == static_cast<size_t>(options.max_new_tokens) ||
        std::find(eos.begin(), eos.end(), text.back()) != eos.end()) {
      const double length = static_cast<double>(text.size());
      all.push_back({text, total, total / std::pow(length, options.length_penalty), BeamEnd::kEos});
    } else {
      enumerate(table, options, text, total, all);
    }
    text.pop_back();
  }
}

std::vector<BeamHypothesis> exhaustive(const Table& table, const SamplingOptions& options) {
  std::vector<BeamHypothesis> all;
  Tokens text;
  enumerate(table, options, text, 0.0, all);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return all;
}

}  // namespace

TEST_CASE("with V^(n-1) beams the search is exhaustive, for eos sets and length penalties") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Table table{8, seed};
    for (const Tokens& eos : {Tokens{}, Tokens{3}, Tokens{0, 5, 7}}) {
      for (double length_penalty : {1.0, 0.0, 2.0, -1.0, 0.5}) {
        for (EarlyStopping stopping : {EarlyStopping::kFalse, EarlyStopping::kNever}) {
          SamplingOptions options = beams(64, 3, eos);
          options.length_penalty = length_penalty;
          options.early_stopping = stopping;
          options.num_return_sequences = 10;
          const auto found = search(table, options);
          const auto expected = exhaustive(table, options);
          REQUIRE(found.size() == 10);
          for (size_t i = 0; i < found.size(); ++i) {
            REQUIRE(found[i].tokens == expected[i].tokens);
            REQUIRE(found[i].score == doctest::Approx(expected[i].score).epsilon(1e-6));
            REQUIRE(found[i].log_probability == doctest::Approx(expected[i].log_probability).epsilon(1e-6));
          }
        }
      }
    }
  }
}

TEST_CASE("few beams are a beam search: the best continuations of each step, followed by hand") {
  // Two beams over three tokens, no eos. Step by step: keep the two best sums.
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Table table{5, seed};
    std::vector<std::pair<double, Tokens>> kept{{0.0, {}}};
    for (int step = 0; step < 6; ++step) {
      std::vector<std::pair<double, Tokens>> next;
      for (const auto& [sum, text] : kept) {
        const Row row = table.logits(text);
        const double log_z = kernels::log_sum_exp(row);
        for (size_t id = 0; id < 5; ++id) {
          Tokens longer = text;
          longer.push_back(static_cast<int32_t>(id));
          next.push_back({sum + static_cast<double>(row[id]) - log_z, longer});
        }
      }
      std::sort(next.begin(), next.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
      next.resize(2);
      kept = next;
    }
    SamplingOptions options = beams(2, 6);
    options.num_return_sequences = 2;
    const auto found = search(table, options);
    REQUIRE(found.size() == 2);
    CHECK(found[0].tokens == kept[0].second);
    CHECK(found[1].tokens == kept[1].second);
    CHECK(found[0].end == BeamEnd::kLength);
  }
}

TEST_CASE(
    "a search repeats itself, and returns as many sequences as asked for, the best first, all different") {
  SamplingOptions options = beams(6, 12, {2});
  options.num_return_sequences = 6;
  for (bool do_sample : {false, true}) {
    options.do_sample = do_sample;
    const auto first = search({8, 5}, options), second = search({8, 5}, options);
    REQUIRE(first.size() == 6);
    REQUIRE(second.size() == 6);
    std::set<Tokens> distinct;
    for (size_t i = 0; i < first.size(); ++i) {
      CHECK(first[i].tokens == second[i].tokens);
      CHECK(first[i].score == second[i].score);
      if (i > 0) CHECK(first[i].score <= first[i - 1].score);
      distinct.insert(first[i].tokens);
    }
    CHECK(distinct.size() == 6);
  }
}

TEST_CASE("the length penalty divides by the generated tokens alone, the prompt not counted") {
  SamplingOptions options = beams(3, 5);
  options.length_penalty = 1.5;
  const Tokens prompt(100, 1);
  TableHost host({8, 4});
  const auto found = beam_search(host, options, prompt, 8);
  REQUIRE(found);
  const BeamHypothesis& best = found->front();
  CHECK(best.tokens.size() == 5);
  CHECK(best.score == best.log_probability / std::pow(5.0, 1.5));
}

TEST_CASE("a beam that ends with an eos id contains it, and the search goes on with num_beams others") {
  // Every one of three eos ids is far more probable than the rest: only the spare candidates go on.
  struct Eager : TableHost {
    using TableHost::TableHost;
    std::span<const float> logits(size_t beam) const override {
      row_.assign(TableHost::logits(beam).begin(), TableHost::logits(beam).end());
      for (size_t id : {0u, 1u, 2u}) row_[id] += 5.0f;
      return row_;
    }
    mutable Row row_;
  };
  Eager host({8, 3});
  SamplingOptions options = beams(2, 10, {0, 1, 2});
  options.num_return_sequences = 2;
  options.early_stopping = EarlyStopping::kNever;  // a long text may still win: not over after one step
  const auto found = search(host, options);
  CHECK(host.advances > 0);
  CHECK(host.most_beams == 2);
  for (const BeamHypothesis& hypothesis : found) {
    CHECK(hypothesis.end == BeamEnd::kEos);
    CHECK(hypothesis.tokens.back() < 3);
    for (size_t i = 0; i + 1 < hypothesis.tokens.size(); ++i) CHECK(hypothesis.tokens[i] >= 3);
  }
}

namespace {

// Two tokens and an end. After any text: end (0) with probability 0.4, token 1 with `next`, token 2 with the
// rest.
class Coin : public BeamHost {
 public:
  explicit Coin(double next) {
    for (double p : {0.4, next, 0.6 - next}) row_.push_back(static_cast<float>(std::log(p)));
  }
  Result<void> advance(std::span<const BeamStep>) override {
    ++advances;
    return {};
  }
  std::span<const float> logits(size_t) const override { return row_; }
  size_t advances = 0;

 private:
  Row row_;
};

size_t steps_of(EarlyStopping stopping, double length_penalty, double next) {
  Coin host(next);
  SamplingOptions options = beams(2, 50, {0});
  options.early_stopping = stopping;
  options.length_penalty = length_penalty;
  search(host, options, 3);
  return host.advances + 1;
}

}  // namespace

TEST_CASE(
    "early stopping: true ends with num_beams finished, false by today's score, never by the best possible") {
  // Token 1 has 0.55. Finished by step: log 0.4 = -0.916, then (log 0.55 + log 0.4) / 2 = -0.757 with
  // penalty 1. Two are finished after step 2. The running beam has log 0.55 = -0.598 a token: better than
  // both, for ever.
  CHECK(steps_of(EarlyStopping::kTrue, 1.0, 0.55) == 2);
  CHECK(steps_of(EarlyStopping::kFalse, 1.0, 0.55) == 50);
  CHECK(steps_of(EarlyStopping::kNever, 1.0, 0.55) == 50);
}

TEST_CASE("early stopping: without a length penalty false and never are the same and exact") {
  // Sums only fall. Finished: -0.916 and -1.514; the running beam 1,1 has -1.196 after step 2, above the
  // worst, and 1,1,1 has -1.793 after step 3, below.
  CHECK(steps_of(EarlyStopping::kTrue, 0.0, 0.55) == 2);
  CHECK(steps_of(EarlyStopping::kFalse, 0.0, 0.55) == 3);
  CHECK(steps_of(EarlyStopping::kNever, 0.0, 0.55) == 3);
}

TEST_CASE("early stopping: never waits for what a length penalty may still give, false does not") {
  // Both tokens have 0.3: a running beam has -1.204 a token. Finished after step 2: -0.916 and
  // (-1.204 - 0.916) / 2 = -1.060. Today's score, -1.204, is worse; spread over 50 tokens -2.408 would not
  // be.
  CHECK(steps_of(EarlyStopping::kFalse, 1.0, 0.3) == 2);
  CHECK(steps_of(EarlyStopping::kNever, 1.0, 0.3) > 10);
}

TEST_CASE("beams continue in place where they can: one surviving parent, one copy less") {
  TableHost host({8, 6});
  search(host, beams(4, 30));
  // 29 advances of 4 beams, the first of which has one parent and three copies.
  CHECK(host.copies >= 3);
  CHECK(host.copies < 29 * 3);
}

TEST_CASE("each beam has its own history: n-grams are not repeated in any") {
  SamplingOptions options = beams(4, 6);
  options.no_repeat_ngram_size = 1;
  options.num_return_sequences = 4;
  for (const BeamHypothesis& hypothesis : search({8, 8}, options)) {
    CHECK(std::set<int32_t>(hypothesis.tokens.begin(), hypothesis.tokens.end()).size() == 6);
  }
}

TEST_CASE("the host ends a beam, by a stop of its own") {
  TableHost host({8, 12});
  host.stop = {4};
  SamplingOptions options = beams(8, 20);
  options.num_return_sequences = 8;
  options.early_stopping = EarlyStopping::kTrue;
  for (const BeamHypothesis& hypothesis : search(host, options)) {
    CHECK(hypothesis.end == BeamEnd::kHost);
    CHECK(std::count(hypothesis.tokens.begin(), hypothesis.tokens.end(), 4) == 1);
    CHECK(hypothesis.tokens.back() == 4);
  }
}

TEST_CASE("beam sampling draws candidates without replacement from the softmax") {
  // One beam, one token: the first of two candidates drawn is the answer, so its distribution is the softmax.
  const Table table{8, 21};
  const Row row = table.logits({});
  std::vector<double> expected(8);
  const double sum = kernels::softmax_weights(row, kernels::maximum(row), 0.7, expected);
  constexpr int kDraws = 20000;
  std::vector<int> counts(8);
  SamplingOptions options = beams(1, 1);
  options.do_sample = true;
  options.temperature = 0.7;
  options.top_k = 0;
  TableHost host(table);
  for (int i = 0; i < kDraws; ++i) {
    options.seed = static_cast<uint64_t>(i);
    ++counts[static_cast<size_t>(search(host, options).front().tokens.front())];
  }
  double statistic = 0;
  for (size_t id = 0; id < 8; ++id) {
    const double mean = expected[id] / sum * kDraws;
    statistic += (counts[id] - mean) * (counts[id] - mean) / mean;
  }
  CHECK(statistic < 24.32);  // 7 degrees of freedom, p = 0.001
}

TEST_CASE("beam sampling of two: pairs come with the probability of two draws without replacement") {
  const Table table{4, 2};
  const Row row = table.logits({});
  std::vector<double> p(4);
  const double sum = kernels::softmax_weights(row, kernels::maximum(row), 1.0, p);
  for (double& value : p) value /= sum;
  constexpr int kDraws = 20000;
  std::map<std::pair<int32_t, int32_t>, int> counts;
  SamplingOptions options = beams(2, 1);
  options.do_sample = true;
  options.num_return_sequences = 2;
  TableHost host(table);
  for (int i = 0; i < kDraws; ++i) {
    options.seed = static_cast<uint64_t>(i);
    const auto found = search(host, options, 4);
    ++counts[std::minmax(found[0].tokens[0], found[1].tokens[0])];
  }
  double statistic = 0;
  for (size_t a = 0; a < 4; ++a) {
    for (size_t b = a + 1; b < 4; ++b) {
      const double pair = p[a] * p[b] / (1 - p[a]) + p[b] * p[a] / (1 - p[b]);
      const double mean = pair * kDraws;
      statistic += std::pow(counts[{static_cast<int32_t>(a), static_cast<int32_t>(b)}] - mean, 2) / mean;
    }
  }
  CHECK(statistic < 20.52);  // 5 degrees of freedom
}

TEST_CASE("the tutorial's call works: two beams, sampling at 0.7, fifty new tokens") {
  SamplingOptions options = beams(2, 50, {1});
  options.do_sample = true;
  options.temperature = 0.7;
  std::set<Tokens> texts;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    options.seed = seed;
    const auto found = search({300, 31}, options);
    REQUIRE(found.size() == 1);
    CHECK(found[0].tokens.size() <= 50);
    CHECK((found[0].tokens.size() == 50 || found[0].tokens.back() == 1));
    CHECK(std::isfinite(found[0].score));
    texts.insert(found[0].tokens);
  }
  CHECK(texts.size() > 10);
}

TEST_CASE("sampling at the smallest temperature finds what the search finds") {
  SamplingOptions options = beams(1, 10);
  const auto greedy = search({8, 14}, options);
  options.do_sample = true;
  options.temperature = 5e-324;
  CHECK(search({8, 14}, options).front().tokens == greedy.front().tokens);
  options.temperature = 0.0;
  CHECK(search({8, 14}, options).front().tokens == greedy.front().tokens);
}

TEST_CASE("where fewer sequences exist than asked for, all of them are returned") {
  SamplingOptions options = beams(6, 2);
  options.num_return_sequences = 6;
  options.suppress_tokens = {0, 1, 2, 3, 4, 5};
  CHECK(search({8, 1}, options).size() == 4);
}

TEST_CASE("a beam whose every token is suppressed dies; if all do, it is an error") {
  SamplingOptions options = beams(2, 8);
  options.no_repeat_ngram_size = 1;  // after three tokens of three nothing is left
  TableHost host({3, 1});
  const auto result = beam_search(host, options, {}, 3);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kUsage);
  CHECK(result.error().what == "every token is suppressed");
}

TEST_CASE("errors of the host, of a row and of the options end the search") {
  TableHost tired({8, 1});
  tired.fail_at = 3;
  CHECK(beam_search(tired, beams(2, 8), {}, 8).error().message() == "session: no memory");
  TableHost host({8, 1});
  CHECK(beam_search(host, beams(2, 8), {}, 9).error().message() == "logits: expected 9 of them, found 8");
  CHECK(beam_search(host, beams(0, 8), {}, 8).error().where == "num_beams");
}

TEST_CASE("logits of NaN end the search with an error") {
  struct Broken : TableHost {
    using TableHost::TableHost;
    std::span<const float> logits(size_t) const override { return row; }
    Row row = Row(8, std::numeric_limits<float>::quiet_NaN());
  };
  Broken host({8, 1});
  CHECK(beam_search(host, beams(2, 8), {}, 8).error().message() ==
        "logits: expected finite numbers or -inf, found nan");
  host.row.assign(8, kOut);
  CHECK(beam_search(host, beams(2, 8), {}, 8).error().what == "every token is suppressed");
}
