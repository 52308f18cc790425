// A perplexity by any of the definitions: windows scored one after another, what they add up to, and how sure
// the result is. Sums are float64. Between two windows everything is in a small state, which can be saved.
//
//   Result<EvaluationPlan> plan = plan_evaluation(...);
//   Result<Session> session = Session::create(model, window_session_options(*plan, {}));
//   PerplexityState state;
//   Result<void> done = run_perplexity(*session, *plan, state, [](const PerplexityState&) { return true; });
//   PerplexityResult result = summarize(*plan, state);
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/evaluation/evaluation_plan.h"
#include "engine/evaluation/sample_statistics.h"
#include "engine/session.h"

namespace gemma {

// What the windows so far add up to.
struct PerplexityState {
  uint64_t windows = 0;  // done
  uint64_t inputs = 0;   // tokens that the model has read
  double seconds = 0;
  Moments tokens;           // loss of every target, in nats
  Moments fresh;            // of targets that are in no window before: each token once
  Moments window_means;     // mean loss of a window
  Moments perplexities;     // exp of that
  ClusterMoments clusters;  // of the targets, by window
  ClusterMoments fresh_clusters;
  double weighted = 0, weights = 0;  // sum of weight * mean, and of weight

  void add(const EvaluationWindow& window, std::span<const double> nll);
};

struct PerplexityResult {
  double perplexity = 0;    // the definition's number
  double error = 0;         // one standard error of it, taking the samples (tokens, mostly) for independent
  double window_error = 0;  // the same, taking only windows (of one text) for independent
  double nats = 0;          // log(perplexity); per token, where the definition averages tokens
  double once = 0;  // perplexity if each token counts once and the same, over the same windows: `strict`
  double once_error = 0;                          // of `once`, tokens independent
  double byte_perplexity = 0, bits_per_byte = 0;  // lm-eval only, else 0
};

// Scores the windows that the state has not seen. After each calls `step`; false ends the run early, with the
// state as it is and no error.
Result<void> run_perplexity(Session& session, const EvaluationPlan& plan, PerplexityState& state,
                            const std::function<bool(const PerplexityState&)>& step);

// The number so far. NaN where nothing has been scored.
PerplexityResult summarize(const EvaluationPlan& plan, const PerplexityState& state);

// The state as a file. `identity` says what it belongs to (perplexity_identity): a file of anything else is
// kMismatch, naming what differs; a broken file kInvalidFile. A file that is not there is a state of nothing.
std::string perplexity_identity(const Session& session, const EvaluationPlan& plan);
Result<void> save_state(const std::string& path, const std::string& identity, const PerplexityState& state);
Result<PerplexityState> load_state(const std::string& path, const std::string& identity);

}  // namespace gemma
