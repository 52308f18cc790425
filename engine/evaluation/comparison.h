// Two or more models side by side over the same windows, position by position: no logits are stored beyond a
// few rows of the first one, so a vocabulary of 262144 costs 64 MB and not 76 GB of files.
//
//   std::vector<Session*> sessions = {&base, &candidate};
//   Comparison comparison(1);
//   Result<void> done = compare_models(sessions, plan, comparison, [](const Comparison&) { return true; });
//   PairResult pair = summarize(comparison, 0);
//
// Each token counts once, all alike (strict, over the windows of any definition).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/evaluation/evaluation_plan.h"
#include "engine/evaluation/sample_statistics.h"
#include "engine/session.h"

namespace gemma {

// One position as two models see it.
struct TokenComparison {
  double base_loss = 0, loss = 0;          // -log p of the right token, nats
  double divergence = 0;                   // of the candidate's distribution from the base's, nats
  bool base_right = false, right = false;  // the most probable token is the right one
  bool same_top = false;                   // both have the same most probable token (of equals the lowest id)
};

// What the tokens of one candidate add up to.
struct PairSums {
  Moments loss;
  Moments difference;  // loss - base_loss: its mean is the logarithm of the ratio of perplexities
  Moments divergence;
  Moments change;   // of the right token's probability
  Moments change2;  // its square
  ClusterMoments loss_clusters, difference_clusters, divergence_clusters;
  uint64_t same_top = 0;
  uint64_t right_to_wrong = 0, wrong_to_right = 0,
           wrong_to_wrong = 0;              // token flips; the last with another top
  std::vector<float> divergences, changes;  // per token, for percentiles

  void add(const TokenComparison& token);
};

struct Comparison {
  explicit Comparison(size_t candidates) : pairs(candidates), seconds(candidates + 1, 0.0) {}

  uint64_t windows = 0;  // done
  uint64_t inputs = 0;   // tokens that each model has read
  Moments base_loss;
  ClusterMoments base_clusters;
  uint64_t base_right = 0;
  std::vector<PairSums> pairs;  // by candidate
  std::vector<double> seconds;  // of each model's own work, the base first
};

// kMismatch unless all have the same vocabulary: as many ids, and the same tokenizer if there is one.
Result<void> check_same_vocabulary(std::span<const Model* const> models);

// Runs all windows through all sessions, the base first. After each window calls `step`; false ends the run
// early without an error. Errors: those of the sessions, check_same_vocabulary's, kResource for the rows
// kept; kInternal if a model computes NaN.
Result<void> compare_models(std::span<Session* const> sessions, const EvaluationPlan& plan,
                            Comparison& comparison, const std::function<bool(const Comparison&)>& step);

// Rows of logits that a comparison keeps: 64 MB of them, 1 to 4096.
size_t comparison_rows(size_t vocab_size);
// Their memory, for windows of at most `longest` tokens.
size_t comparison_bytes(size_t vocab_size, size_t longest);

inline constexpr std::array<double, 9> kDivergencePercentiles = {99.9, 99, 95, 90, 50, 10, 5, 1, 0};
inline constexpr std::array<double, 13> kChangePercentiles = {100, 99.9, 99, 95, 90,  75, 50,
                                                              25,  10,   5,  1,  0.1, 0};

// Errors are one standard error with tokens taken for independent; `window_error`s take only windows for
// independent, which is the safer one for text.
struct PairResult {
  uint64_t tokens = 0;
  double base_perplexity = 0, base_error = 0;
  double perplexity = 0, error = 0, window_error = 0;
  // log(perplexity / base_perplexity) is the mean of per-token differences, so its error has the covariance
  // of the two models in it: it is far smaller than the errors of the perplexities suggest.
  double log_ratio = 0, log_ratio_error = 0, log_ratio_window_error = 0;
  double ratio = 0, ratio_error = 0, ratio_window_error = 0;
  double difference = 0, difference_error = 0;  // perplexity - base_perplexity
  double correlation = 0;                       // of the two models' losses, token by token
  double divergence = 0, divergence_error = 0, divergence_window_error = 0, divergence_max = 0;
  std::array<double, kDivergencePercentiles.size()> divergence_percentiles = {};
  double change = 0, change_error = 0;  // mean change of the right token's probability
  double change_rms = 0, change_rms_error = 0;
  std::array<double, kChangePercentiles.size()> change_percentiles = {};
  double same_top = 0;                           // share of tokens
  std::array<double, 2> same_top_interval = {};  // Wilson, 95 %
  uint64_t right_to_wrong = 0, wrong_to_right = 0, wrong_to_wrong = 0;
  double base_accuracy = 0, accuracy = 0;  // share of tokens whose most probable candidate is right
};

// Of one candidate. Sorts nothing but a copy; NaN where there are no tokens.
PairResult summarize(const Comparison& comparison, size_t candidate);

// Tokens per second of decoding `tokens` one by one behind the first of them, by the median step. Resets the
// session.
Result<double> decode_rate(Session& session, std::span<const int32_t> tokens);

}  // namespace gemma
