// gemma-eval perplexity: how well a model predicts a text, by any of the definitions in use.
//
//   gemma-eval perplexity --text wiki.test.raw --definition tutorial --max-length 512 --stride 256
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "engine/evaluation/perplexity.h"
#include "tools/evaluation_options.h"
#include "tools/exit_code.h"

namespace gemma {

struct PerplexityRequest {
  std::string model, scheme;  // empty: the shipped one; what fits the checkpoint
  TextFlags text;
  WindowFlags windows;
  ComputeFlags compute;
  std::string resume;  // file of the state; empty: none
  bool json = false;
  std::optional<std::string> html;  // file of the page
};

// A finished (or interrupted) measurement.
struct PerplexityReport {
  std::string model, scheme, scheme_reason, kernels, kv_type, text_path;
  size_t threads = 0;
  uint64_t tokenizer_hash = 0;
  double load_seconds = 0;
  EvaluationPlan plan;
  PerplexityState state;
  PerplexityResult result;
  bool complete = false;
};

// Runs it. `step` is called after each window; false stops early. With a resume file the state is read first
// and saved every few seconds, when stopped, and at the end.
Result<PerplexityReport> measure_perplexity(
    const PerplexityRequest& request,
    const std::function<bool(const EvaluationPlan&, const PerplexityState&)>& step);

// The report for people: a line each of the number and of all that makes it comparable.
std::string perplexity_text(const PerplexityReport& report);
nlohmann::ordered_json perplexity_json(const PerplexityReport& report);

ExitCode eval_perplexity(int argc, const char* const* argv);

}  // namespace gemma
