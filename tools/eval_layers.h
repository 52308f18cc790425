// gemma-eval layers: where quantization changes what a model computes, layer by layer; and with --sensitivity
// which class of tensors, or which layer, costs how much.
//
//   gemma-eval layers -m models/stories-qat --scheme int4 --text test.txt
//   gemma-eval layers -m models/stories-full --scheme int4 --text test.txt --sensitivity
//   gemma-eval layers -m models/stories-full --scheme int4 --text test.txt --sensitivity --groups layers
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/evaluation/layer_comparison.h"
#include "engine/evaluation/sensitivity_trials.h"
#include "tools/evaluation_options.h"
#include "tools/exit_code.h"

namespace gemma {

struct LayersRequest {
  std::string model, scheme;  // empty: the shipped one; what fits the checkpoint
  std::string base;           // scheme to compare with; empty: the fake of `scheme`, f32 for --sensitivity
  TextFlags text;
  WindowFlags windows;
  ComputeFlags compute;
  double tolerance = 1e-3;
  bool sensitivity = false;
  std::optional<std::string> groups;  // of --sensitivity: kClasses or kLayers
  bool json = false;
  std::optional<std::string> html;  // file of the page
};

inline constexpr std::string_view kClasses = "classes", kLayers = "layers";

struct LayersReport {
  std::string model, base, scheme, base_kv_type, kv_type, text_path;
  double tolerance = 0;
  EvaluationPlan plan;
  LayerComparison comparison;
  std::optional<size_t> first_beyond;
  // --sensitivity instead:
  std::string groups;  // kClasses or kLayers
  std::vector<SensitivityTrial> trials;
  std::vector<PairResult> costs;  // by trial
};

// `step`: work done and in all, a note; false stops with what there is.
using LayersStep = std::function<bool(uint64_t done, uint64_t total, const std::string& note)>;
Result<LayersReport> measure_layers(const LayersRequest& request, const LayersStep& step);

std::string layers_text(const LayersReport& report);
nlohmann::ordered_json layers_json(const LayersReport& report);

ExitCode eval_layers(int argc, const char* const* argv);

}  // namespace gemma
