// Which tensors a quantization costs most: each class of them, or each layer, quantized alone, the rest as
// the base computes it, against the base.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/evaluation/comparison.h"
#include "engine/scheme.h"

namespace gemma {

struct SensitivityTrial {
  std::string name;             // "mlp" or "layers.3"; "all" for everything at once
  std::optional<size_t> layer;  // of layer_trials
  std::string scheme;           // the whole word: "f32,mlp=int4", "f32,layers.3=int4"
  uint64_t elements = 0;        // weights that it quantizes
};

// One trial for each class of matrices that a model of this config has, in the order in which it uses them,
// then "all". kUsage if `scheme` is not one plain scheme (it has overrides of its own) or `base` cannot be
// parsed.
Result<std::vector<SensitivityTrial>> class_trials(const ModelConfig& config, const std::string& base,
                                                   const std::string& scheme);

// One trial for each layer, with all its matrices, first to last; then "rest", the matrices that belong to no
// layer (embedding, head, per-layer table and its projection); then "all". Errors as above.
Result<std::vector<SensitivityTrial>> layer_trials(const ModelConfig& config, const std::string& base,
                                                   const std::string& scheme);

}  // namespace gemma
