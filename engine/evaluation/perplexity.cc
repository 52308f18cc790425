#include "engine/evaluation/perplexity.h"

#include <chrono>
#include <cmath>
#include <numbers>

#include "engine/evaluation/window_scorer.h"

namespace gemma {

void PerplexityState::add(const EvaluationWindow& window, std::span<const double> nll) {
  const size_t known = window.fresh_begin - window.target_begin;
  double sum = 0, fresh_sum = 0;
  for (size_t i = 0; i < nll.size(); ++i) {
    tokens.add(nll[i]);
    sum += nll[i];
    if (i < known) continue;
    fresh.add(nll[i]);
    fresh_sum += nll[i];
  }
  const double size = static_cast<double>(nll.size());
  const double mean = sum / size;
  window_means.add(mean);
  perplexities.add(std::exp(mean));
  clusters.add(size, sum);
  fresh_clusters.add(size - static_cast<double>(known), fresh_sum);
  weighted += window.weight * mean;
  weights += window.weight;
  ++windows;
}

Result<void> run_perplexity(Session& session, const EvaluationPlan& plan, PerplexityState& state,
                            const std::function<bool(const PerplexityState&)>& step) {
  if (Result<void> fits = check_plan(plan, session.model()); !fits) return fits;
  std::vector<double> nll;
  while (state.windows < plan.windows.size()) {
    const EvaluationWindow& window = plan.windows[state.windows];
    const auto start = std::chrono::steady_clock::now();
    if (Result<void> scored = score_window(session, plan, window, nll); !scored) return scored;
    state.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    state.inputs += plan.input_size(window);
    state.add(window, nll);
    if (!step(state)) break;
  }
  return {};
}

PerplexityResult summarize(const EvaluationPlan& plan, const PerplexityState& state) {
  PerplexityResult result;
  result.once = std::exp(state.fresh.average());
  result.once_error = result.once * state.fresh.standard_error();
  double nats = state.tokens.average();
  double error = state.tokens.standard_error();
  double window_error = state.clusters.standard_error();
  switch (plan.options.definition) {
    case PerplexityDefinition::kStrict:
    case PerplexityDefinition::kLlama:
    case PerplexityDefinition::kMlx:
    case PerplexityDefinition::kChatPrefix:
      break;
    case PerplexityDefinition::kTutorial:
      nats = state.window_means.average();
      error = window_error = state.window_means.standard_error();
      break;
    case PerplexityDefinition::kHfDoc:
      nats = state.weighted / state.weights;
      break;
    case PerplexityDefinition::kHfEvaluate:
      result.perplexity = state.perplexities.average();
      result.nats = std::log(result.perplexity);
      result.error = result.window_error = state.perplexities.standard_error();
      return result;
    case PerplexityDefinition::kLmEval: {
      // Words and bytes of all texts: right once every window is done.
      const double per_word = static_cast<double>(state.tokens.count) / static_cast<double>(plan.words);
      const double per_byte = state.tokens.sum / static_cast<double>(plan.bytes);
      nats = state.tokens.sum / static_cast<double>(plan.words);
      error *= per_word;
      window_error *= per_word;
      result.byte_perplexity = std::exp(per_byte);
      result.bits_per_byte = per_byte / std::numbers::ln2;
      break;
    }
  }
  result.nats = nats;
  result.perplexity = std::exp(nats);
  result.error = result.perplexity * error;  // delta method: d exp(m) = exp(m) dm
  result.window_error = result.perplexity * window_error;
  return result;
}

}  // namespace gemma
