#include "engine/evaluation/comparison.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "engine/evaluation/proportion.h"
#include "engine/evaluation/vocabulary_reductions.h"
#include "engine/evaluation/window_scorer.h"
#include "kernels/reductions.h"

namespace gemma {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// What is kept of the base model for the rows of one piece.
struct BaseRows {
  Buffer logits;  // (rows, vocab)
  std::vector<double> log_z;
  std::vector<size_t> top;
};

class Streamer {
 public:
  Streamer(std::span<Session* const> sessions, const EvaluationPlan& plan, Comparison& comparison)
      : sessions_(sessions), plan_(plan), comparison_(comparison) {}

  Result<void> prepare() {
    vocab_ = sessions_[0]->model().config().vocab_size;
    const size_t bytes = comparison_bytes(vocab_, plan_.longest_input);
    rows_ = bytes / (vocab_ * sizeof(float));
    if (Result<void> room = check_memory(bytes, "logits of the base model"); !room) return room;
    Result<Buffer> buffer = Buffer::allocate(bytes, "logits of the base model");
    if (!buffer) return fail(std::move(buffer.error()));
    base_.logits = std::move(*buffer);
    base_.log_z.resize(rows_);
    base_.top.resize(rows_);
    return {};
  }

  Result<void> window(const EvaluationWindow& window) {
    std::vector<int32_t> input;
    plan_.input(window, input);
    const size_t targets = window.target_end - window.fresh_begin;
    const size_t silent = input.size() - targets;
    for (size_t m = 0; m < sessions_.size(); ++m) {
      sessions_[m]->reset();
      const Clock::time_point start = Clock::now();
      Result<void> ran = sessions_[m]->prefill(std::span(input).first(silent));
      comparison_.seconds[m] += seconds_since(start);
      if (!ran) return ran;
    }
    std::vector<double> sums(3 * comparison_.pairs.size() +
                             1);  // of the window: losses, differences, divergences
    for (size_t done = 0; done < targets; done += rows_) {
      const std::span<const int32_t> piece =
          std::span(input).subspan(silent + done, std::min(rows_, targets - done));
      const std::span<const int32_t> right =
          std::span(plan_.tokens).subspan(window.fresh_begin + done, piece.size());
      tokens_.assign(piece.size(), {});
      if (Result<void> ran = base_piece(piece, right); !ran) return ran;
      for (const TokenComparison& token : tokens_) {
        comparison_.base_loss.add(token.base_loss);
        comparison_.base_right += token.base_right;
        sums[0] += token.base_loss;
      }
      for (size_t c = 0; c < comparison_.pairs.size(); ++c) {
        if (Result<void> ran = candidate_piece(c, piece, right); !ran) return ran;
        for (const TokenComparison& token : tokens_) {
          comparison_.pairs[c].add(token);
          sums[3 * c + 1] += token.loss;
          sums[3 * c + 2] += token.loss - token.base_loss;
          sums[3 * c + 3] += token.divergence;
        }
      }
    }
    const double size = static_cast<double>(targets);
    comparison_.base_clusters.add(size, sums[0]);
    for (size_t c = 0; c < comparison_.pairs.size(); ++c) {
      comparison_.pairs[c].loss_clusters.add(size, sums[3 * c + 1]);
      comparison_.pairs[c].difference_clusters.add(size, sums[3 * c + 2]);
      comparison_.pairs[c].divergence_clusters.add(size, sums[3 * c + 3]);
    }
    comparison_.inputs += input.size();
    ++comparison_.windows;
    return {};
  }

 private:
  // Runs a piece and calls `row` for each position; the time spent there is not the model's.
  template <typename Row>
  Result<void> run(size_t m, std::span<const int32_t> piece, const Row& row) {
    size_t index = 0;
    double outside = 0;
    const LogitsSink sink = [&](size_t, std::span<const float> logits) {
      const Clock::time_point start = Clock::now();
      row(index++, logits);
      outside += seconds_since(start);
    };
    const Clock::time_point start = Clock::now();
    Result<void> ran = sessions_[m]->evaluate(piece, 0, sink);
    comparison_.seconds[m] += seconds_since(start) - outside;
    if (!ran) return ran;
    const bool bad = std::any_of(tokens_.begin(), tokens_.end(), [](const TokenComparison& token) {
      return std::isnan(token.base_loss) || std::isnan(token.loss) || std::isnan(token.divergence);
    });
    if (bad) {
      return fail(ErrorCode::kInternal, sessions_[m]->model().name(),
                  "the model computed a logit that is no number", "are the weights intact?");
    }
    return {};
  }

  Result<void> base_piece(std::span<const int32_t> piece, std::span<const int32_t> right) {
    return run(0, piece, [&](size_t i, std::span<const float> logits) {
      std::copy(logits.begin(), logits.end(), base_.logits.as<float>() + i * vocab_);
      base_.log_z[i] = log_sum_exp(sessions_[0]->model().team(), logits);
      base_.top[i] = kernels::argmax(logits);
      const auto target = static_cast<size_t>(right[i]);
      tokens_[i].base_loss = base_.log_z[i] - static_cast<double>(logits[target]);
      tokens_[i].base_right = base_.top[i] == target;
    });
  }

  Result<void> candidate_piece(size_t candidate, std::span<const int32_t> piece,
                               std::span<const int32_t> right) {
    const ThreadTeam& team = sessions_[candidate + 1]->model().team();
    return run(candidate + 1, piece, [&](size_t i, std::span<const float> logits) {
      const std::span<const float> base(base_.logits.as<float>() + i * vocab_, vocab_);
      const double log_z = log_sum_exp(team, logits);
      const size_t top = kernels::argmax(logits);
      const auto target = static_cast<size_t>(right[i]);
      tokens_[i].loss = log_z - static_cast<double>(logits[target]);
      tokens_[i].right = top == target;
      tokens_[i].same_top = top == base_.top[i];
      tokens_[i].divergence = kl_divergence(team, base, base_.log_z[i], logits, log_z);
    });
  }

  std::span<Session* const> sessions_;
  const EvaluationPlan& plan_;
  Comparison& comparison_;
  size_t vocab_ = 0, rows_ = 0;
  BaseRows base_;
  std::vector<TokenComparison> tokens_;  // of the piece
};

}  // namespace

void PairSums::add(const TokenComparison& token) {
  const double moved = std::exp(-token.loss) - std::exp(-token.base_loss);
  loss.add(token.loss);
  difference.add(token.loss - token.base_loss);
  divergence.add(token.divergence);
  change.add(moved);
  change2.add(moved * moved);
  same_top += token.same_top;
  right_to_wrong += token.base_right && !token.right;
  wrong_to_right += !token.base_right && token.right;
  wrong_to_wrong += !token.base_right && !token.right && !token.same_top;
  divergences.push_back(static_cast<float>(token.divergence));
  changes.push_back(static_cast<float>(moved));
}

size_t comparison_rows(size_t vocab_size) {
  constexpr size_t kBytes = size_t{64} << 20;
  return std::clamp<size_t>(kBytes / (std::max<size_t>(vocab_size, 1) * sizeof(float)), 1, 4096);
}

size_t comparison_bytes(size_t vocab_size, size_t longest) {
  return std::min(comparison_rows(vocab_size), std::max<size_t>(1, longest)) * vocab_size * sizeof(float);
}

Result<void> check_same_vocabulary(std::span<const Model* const> models) {
  const Model& base = *models.front();
  for (const Model* model : models.subspan(1)) {
    if (model->config().vocab_size != base.config().vocab_size) {
      return fail(ErrorCode::kMismatch, model->name(),
                  fmt::format("its vocabulary has {} ids, that of {} {}", model->config().vocab_size,
                              base.name(), base.config().vocab_size),
                  "only models of one vocabulary can be compared token by token");
    }
    const bool told = model->tokenizer() != nullptr && base.tokenizer() != nullptr;
    if (told && model->tokenizer()->fingerprint() != base.tokenizer()->fingerprint()) {
      return fail(ErrorCode::kMismatch, model->name(),
                  "its tokenizer is another one than that of " + base.name(),
                  "only models of one vocabulary can be compared token by token");
    }
  }
  return {};
}

Result<void> compare_models(std::span<Session* const> sessions, const EvaluationPlan& plan,
                            Comparison& comparison, const std::function<bool(const Comparison&)>& step) {
  std::vector<const Model*> models;
  for (const Session* session : sessions) models.push_back(&session->model());
  if (Result<void> same = check_same_vocabulary(models); !same) return same;
  if (Result<void> fits = check_plan(plan, *models.front()); !fits) return fits;
  Streamer streamer(sessions, plan, comparison);
  if (Result<void> ready = streamer.prepare(); !ready) return ready;
  for (const EvaluationWindow& window : plan.windows) {
    if (window.fresh_begin == window.target_end) continue;
    if (Result<void> ran = streamer.window(window); !ran) return ran;
    if (!step(comparison)) break;
  }
  return {};
}

PairResult summarize(const Comparison& comparison, size_t candidate) {
  const PairSums& pair = comparison.pairs[candidate];
  PairResult result;
  result.tokens = pair.loss.count;
  const double tokens = static_cast<double>(result.tokens);
  const double base_error = comparison.base_loss.standard_error();
  const double error = pair.loss.standard_error();
  result.base_perplexity = std::exp(comparison.base_loss.average());
  result.base_error = result.base_perplexity * base_error;
  result.perplexity = std::exp(pair.loss.average());
  result.error = result.perplexity * error;
  result.window_error = result.perplexity * pair.loss_clusters.standard_error();

  result.log_ratio = pair.difference.average();
  result.log_ratio_error = pair.difference.standard_error();
  result.log_ratio_window_error = pair.difference_clusters.standard_error();
  result.ratio = std::exp(result.log_ratio);
  result.ratio_error = result.ratio * result.log_ratio_error;
  result.ratio_window_error = result.ratio * result.log_ratio_window_error;

  // var(q - p) = var q + var p - 2 cov, all of means.
  const double covariance =
      (error * error + base_error * base_error - result.log_ratio_error * result.log_ratio_error) / 2;
  const double scale = error * base_error;
  result.correlation = scale > 0 ? std::clamp(covariance / scale, -1.0, 1.0) : 0.0;
  result.difference = result.perplexity - result.base_perplexity;
  result.difference_error =
      std::sqrt(std::max(0.0, result.error * result.error + result.base_error * result.base_error -
                                  2 * result.perplexity * result.base_perplexity * covariance));

  result.divergence = pair.divergence.average();
  result.divergence_error = pair.divergence.standard_error();
  result.divergence_window_error = pair.divergence_clusters.standard_error();
  std::vector<float> samples = pair.divergences;
  result.divergence_max = percentile(samples, 1.0);
  for (size_t i = 0; i < kDivergencePercentiles.size(); ++i) {
    result.divergence_percentiles[i] = percentile(samples, kDivergencePercentiles[i] / 100);
  }

  result.change = pair.change.average();
  result.change_error = pair.change.standard_error();
  result.change_rms = std::sqrt(pair.change2.average());
  // d sqrt(m) = dm / (2 sqrt(m))
  result.change_rms_error =
      result.change_rms > 0 ? pair.change2.standard_error() / (2 * result.change_rms) : 0.0;
  samples = pair.changes;
  for (size_t i = 0; i < kChangePercentiles.size(); ++i) {
    result.change_percentiles[i] = percentile(samples, kChangePercentiles[i] / 100);
  }

  result.same_top = static_cast<double>(pair.same_top) / tokens;
  const Proportion same = wilson_interval(pair.same_top, pair.loss.count);
  result.same_top_interval = {same.low, same.high};
  result.right_to_wrong = pair.right_to_wrong;
  result.wrong_to_right = pair.wrong_to_right;
  result.wrong_to_wrong = pair.wrong_to_wrong;
  result.base_accuracy = static_cast<double>(comparison.base_right) / tokens;
  result.accuracy =
      static_cast<double>(comparison.base_right - pair.right_to_wrong + pair.wrong_to_right) / tokens;
  return result;
}

Result<double> decode_rate(Session& session, std::span<const int32_t> tokens) {
  session.reset();
  std::vector<double> steps;
  for (const int32_t token : tokens) {
    const Clock::time_point start = Clock::now();
    Result<std::span<const float>> logits = session.decode(token);
    if (!logits) return fail(std::move(logits.error()));
    steps.push_back(seconds_since(start));
  }
  if (steps.size() < 2) return 0.0;
  std::sort(steps.begin() + 1, steps.end());  // the first step warms up
  const double median = steps[1 + (steps.size() - 1) / 2];
  return median > 0 ? 1 / median : 0.0;
}

}  // namespace gemma
