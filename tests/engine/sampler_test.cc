#include "engine/sampler.h"

#include <cmath>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/reductions.h"

using namespace gemma;

namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();
constexpr int kDraws = 100000;

using Row = std::vector<float>;
using Probabilities = std::vector<double>;

SamplingOptions sampling(double temperature, int64_t top_k = 0, double top_p = 1.0, double min_p = 0.0) {
  SamplingOptions options;
  options.do_sample = true;
  options.temperature = temperature;
  options.top_k = top_k;
  options.top_p = top_p;
  options.min_p = min_p;
  options.seed = 1234;
  return options;
}

// Logits of given probabilities.
Row logits_of(const Probabilities& probabilities) {
  Row row;
  for (double p : probabilities) row.push_back(static_cast<float>(std::log(p)) + 3.0f);
  return row;
}

// p[i] ^ power for the first `kept`, which sum to 1; 0 for the others.
Probabilities renormalised(Probabilities p, double power, size_t kept) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += p[i] = i < kept ? std::pow(p[i], power) : 0.0;
  for (double& value : p) value /= sum;
  return p;
}

Sampler make(const SamplingOptions& options, size_t vocab_size, uint64_t stream = 0) {
  Result<Sampler> sampler = Sampler::create(options, vocab_size, stream);
  REQUIRE(sampler);
  return std::move(*sampler);
}

// Pearson's statistic of 10^5 draws against exact probabilities; impossible tokens must not come at all.
double chi_square(const SamplingOptions& options, const Row& logits, const Probabilities& expected) {
  Sampler sampler = make(options, logits.size());
  std::vector<int> counts(logits.size());
  for (int i = 0; i < kDraws; ++i) ++counts[static_cast<size_t>(*sampler.next(logits))];
  double statistic = 0;
  for (size_t id = 0; id < counts.size(); ++id) {
    if (expected[id] == 0.0) {
      CHECK(counts[id] == 0);
      continue;
    }
    const double mean = expected[id] * kDraws;
    statistic += (counts[id] - mean) * (counts[id] - mean) / mean;
  }
  return statistic;
}

const Probabilities kTen{0.3, 0.2, 0.15, 0.1, 0.08, 0.07, 0.04, 0.03, 0.02, 0.01};

}  // namespace

// Each bound is the 0.999 quantile of chi-square with (possible tokens - 1) degrees of freedom; the seed is
// fixed, so a pass stays a pass.
TEST_CASE("plain sampling follows the softmax") {
  CHECK(chi_square(sampling(1.0), logits_of(kTen), kTen) < 27.88);
}

TEST_CASE("sampling follows the softmax at any temperature") {
  CHECK(chi_square(sampling(0.7), logits_of(kTen), renormalised(kTen, 1 / 0.7, 10)) < 27.88);
  CHECK(chi_square(sampling(2.0), logits_of(kTen), renormalised(kTen, 1 / 2.0, 10)) < 27.88);
}

TEST_CASE("top-k sampling follows the renormalised softmax of the k best") {
  CHECK(chi_square(sampling(1.0, 4), logits_of(kTen), renormalised(kTen, 1.0, 4)) < 16.27);
}

TEST_CASE("top-p sampling follows the renormalised softmax of the nucleus") {
  CHECK(chi_square(sampling(1.0, 0, 0.8), logits_of(kTen), renormalised(kTen, 1.0, 5)) < 18.47);
}

TEST_CASE("min-p sampling follows the renormalised softmax of what is probable enough") {
  CHECK(chi_square(sampling(1.0, 0, 1.0, 0.25), logits_of(kTen), renormalised(kTen, 1.0, 5)) < 18.47);
}

TEST_CASE("temperature, top-k, top-p and min-p together follow the exact distribution") {
  // At temperature 1/2 the weights are p^2: 900 400 225 100 64 49 ...; top-k 6 leaves 1738; top-p 0.95 wants
  // 1651, reached by the fifth (1689); min-p 0.1 of 900 leaves the first four.
  CHECK(chi_square(sampling(0.5, 6, 0.95, 0.1), logits_of(kTen), renormalised(kTen, 2.0, 4)) < 16.27);
}

TEST_CASE("a whole vocabulary of equal tokens is sampled evenly") {
  constexpr size_t kVocab = 262144;
  const Row logits(kVocab, 1.0f);
  Sampler sampler = make(sampling(1.0, 64), kVocab);  // all equal the 64th: all stay
  std::vector<int> counts(8);
  for (int i = 0; i < 200; ++i) ++counts[static_cast<size_t>(*sampler.next(logits)) / (kVocab / 8)];
  double statistic = 0;
  for (int count : counts) statistic += (count - 25.0) * (count - 25.0) / 25.0;
  CHECK(statistic < 24.32);  // 7 degrees of freedom
}

TEST_CASE("the first tokens of a seed are these, on every platform") {
  Sampler sampler = make(sampling(1.0), kTen.size());
  std::vector<int32_t> tokens;
  for (int i = 0; i < 12; ++i) tokens.push_back(*sampler.next(logits_of(kTen)));
  CHECK(tokens == std::vector<int32_t>{0, 6, 1, 0, 0, 1, 2, 0, 7, 1, 2, 0});
}

TEST_CASE("a seed repeats its tokens; another seed and another stream have their own") {
  const Row logits = logits_of(kTen);
  const auto text = [&](uint64_t seed, uint64_t stream) {
    SamplingOptions options = sampling(1.0);
    options.seed = seed;
    Sampler sampler = make(options, logits.size(), stream);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(*sampler.next(logits));
    return tokens;
  };
  CHECK(text(1, 0) == text(1, 0));
  CHECK(text(1, 0) != text(2, 0));
  CHECK(text(1, 0) != text(1, 1));
}

TEST_CASE("without a seed one is drawn, and it repeats the run") {
  SamplingOptions options = sampling(1.0);
  options.seed.reset();
  const Row logits = logits_of(kTen);
  Sampler first = make(options, logits.size());
  options.seed = first.seed();
  Sampler again = make(options, logits.size());
  for (int i = 0; i < 50; ++i) CHECK(*first.next(logits) == *again.next(logits));
}

TEST_CASE("greedy takes the largest, of equal ones the lowest id") {
  Sampler sampler = make({}, 4);
  CHECK(*sampler.next(Row{1, 3, 3, 2}) == 1);
  CHECK(*sampler.next(Row{-1, -3, kOut, -0.5f}) == 3);
}

TEST_CASE("temperature 0 is greedy") {
  Sampler sampler = make(sampling(0.0), 3);
  for (int i = 0; i < 20; ++i) CHECK(*sampler.next(Row{1, 1.001f, 1}) == 1);
}

TEST_CASE("greedy passes through bias, penalties, n-grams, minimum length and suppression") {
  SamplingOptions options;
  options.suppress_tokens = {0};
  options.min_new_tokens = 2;
  options.eos_token_id = {1};
  options.no_repeat_ngram_size = 1;
  options.logit_bias = {{3, 2.5f}};
  Sampler sampler = make(options, 5);
  sampler.append_prompt(std::vector<int32_t>{4});
  const Row logits{9, 8, 3, 1, 7};
  CHECK(*sampler.next(logits) == 3);  // 3.5, above 3: 0, 1 and 4 are out
  CHECK(*sampler.next(logits) == 2);
  CHECK(*sampler.next(logits) == 1);  // long enough to end
}

TEST_CASE("a token that somebody else chose counts like one that was drawn") {
  SamplingOptions options;
  options.no_repeat_ngram_size = 1;
  Sampler sampler = make(options, 3);
  sampler.append(2);
  CHECK(*sampler.next(Row{1, 2, 3}) == 1);
}

TEST_CASE("a sampler can be moved in mid-text") {
  SamplingOptions options = sampling(1.0);
  options.repetition_penalty = 1.5;
  const Row logits = logits_of(kTen);
  Sampler stays = make(options, logits.size()), goes = make(options, logits.size());
  for (int i = 0; i < 5; ++i) REQUIRE(*stays.next(logits) == *goes.next(logits));
  Sampler gone = std::move(goes);
  for (int i = 0; i < 50; ++i) CHECK(*stays.next(logits) == *gone.next(logits));
}

TEST_CASE("a row whose every token is suppressed is an error, and the sampler survives it") {
  for (bool do_sample : {false, true}) {
    SamplingOptions options = sampling(1.0);
    options.do_sample = do_sample;
    options.suppress_tokens = {0, 1};
    Sampler sampler = make(options, 3);
    const Result<int32_t> token = sampler.next(Row{1, 2, kOut});
    REQUIRE_FALSE(token);
    CHECK(token.error().code == ErrorCode::kUsage);
    CHECK(token.error().message() ==
          "sampling: every token is suppressed "
          "(relax suppress_tokens, logit_bias, min_new_tokens or no_repeat_ngram_size)");
    CHECK(*sampler.next(Row{1, 2, 0}) == 2);
  }
}

TEST_CASE("NaN and +inf among the logits are an error") {
  Sampler sampler = make(sampling(1.0), 2);
  const Result<int32_t> nan = sampler.next(Row{1, std::numeric_limits<float>::quiet_NaN()});
  REQUIRE_FALSE(nan);
  CHECK(nan.error().code == ErrorCode::kInternal);
  CHECK(nan.error().what == "expected finite numbers or -inf, found nan");
  CHECK(sampler.next(Row{1, -kOut}).error().message() ==
        "logits: expected finite numbers or -inf, found inf");
}

TEST_CASE("a row of another size than the vocabulary is an error") {
  Sampler sampler = make({}, 3);
  CHECK(sampler.next(Row{1, 2}).error().message() == "logits: expected 3 of them, found 2");
}

TEST_CASE("invalid options are refused") {
  CHECK(Sampler::create(sampling(-1.0), 3).error().where == "temperature");
}

namespace {

// Logits of a vocabulary of several blocks, many of them equal.
Row coarse_logits(size_t n, uint32_t seed) {
  Row row(n);
  uint32_t state = seed;
  for (float& value : row) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 25) / 8.0f;
  }
  return row;
}

Row peaks_of(const Row& row) {
  Row peaks(kernels::peak_count(row.size()));
  kernels::find_peaks(row, peaks);
  return peaks;
}

}  // namespace

TEST_CASE("with the peaks of the blocks known, the same tokens are chosen") {
  constexpr size_t kMany = 3 * kernels::kPeakBlock + 77;
  SamplingOptions penalised = sampling(0.8, 3);
  penalised.repetition_penalty = 1.3;
  SamplingOptions short_answer;
  short_answer.min_new_tokens = 5;
  short_answer.eos_token_id = {static_cast<int32_t>(kMany) - 1};
  for (const SamplingOptions& options :
       {SamplingOptions(), sampling(1.0), sampling(0.7, 2), sampling(0.7, 4, 0.9),
        sampling(1.0, 64, 0.9, 0.01), sampling(1.0, kMany), penalised, short_answer}) {
    Sampler with = make(options, kMany), without = make(options, kMany);
    for (uint32_t step = 0; step < 40; ++step) {
      Row row = coarse_logits(kMany, step);
      if (step % 4 == 1) row[kMany - 1] = 40;  // in the last, shorter block
      if (step % 4 == 2) row.assign(kMany, static_cast<float>(step));
      const Result<int32_t> token = with.next(row, peaks_of(row));
      REQUIRE(token);
      CHECK(*token == *without.next(row));
    }
  }
}

TEST_CASE("peaks do not hide a NaN, and must be those of the row") {
  Row row = coarse_logits(2000, 7);
  row[1999] = NAN;
  Sampler sampler = make(SamplingOptions(), row.size());
  const Result<int32_t> token = sampler.next(row, peaks_of(row));
  REQUIRE_FALSE(token);
  CHECK(token.error().code == ErrorCode::kInternal);
  CHECK_FALSE(sampler.next(row, Row{1.0f}));
}
