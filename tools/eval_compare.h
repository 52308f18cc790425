// gemma-eval compare: two or more models, or one computed in several ways, side by side over the same text.
//
//   gemma-eval compare models/stories-full#f32 models/stories-full#int4 models/stories-qat#int4 --text
//   test.txt
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/compare_thresholds.h"
#include "tools/evaluation_options.h"
#include "tools/exit_code.h"

namespace gemma {

struct CompareRequest {
  std::vector<std::string> models;  // MODEL#SCHEME, the base first
  TextFlags text;
  WindowFlags windows;
  ComputeFlags compute;
  ThresholdFlags thresholds;
  uint64_t decode_tokens = 32;  // to measure the speed of writing with; 0: not measured
  bool json = false;
  std::optional<std::string> html;  // file of the page
};

// One of the models, as it was run.
struct ComparedModel {
  std::string name, scheme, scheme_reason, kv_type;
  double load_seconds = 0, seconds = 0, rate = 0, decode_rate = 0;
  uint64_t weight_bytes = 0;  // own and mapped
  uint64_t cache_bytes = 0, scratch_bytes = 0;
  uint64_t bytes() const { return weight_bytes + cache_bytes + scratch_bytes; }
};

struct CompareReport {
  std::string text_path, kernels;
  size_t threads = 0;
  uint64_t tokenizer_hash = 0;
  EvaluationPlan plan;
  std::vector<ComparedModel> models;  // the base first
  Moments base_loss;
  std::vector<PairResult> pairs;    // by candidate
  std::vector<std::string> missed;  // thresholds
  uint64_t windows = 0;             // done
};

Result<CompareReport> measure_comparison(
    const CompareRequest& request, const std::function<bool(const EvaluationPlan&, const Comparison&)>& step);

std::string compare_text(const CompareReport& report);
nlohmann::ordered_json compare_json(const CompareReport& report);
// The figures of one pair, as compare and layers print them.
nlohmann::ordered_json pair_json(const PairResult& pair);

ExitCode eval_compare(int argc, const char* const* argv);

}  // namespace gemma
