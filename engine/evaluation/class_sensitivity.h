// Which tensors a quantization costs most: each class of them quantized alone, the rest as the base computes
// it, against the base.
#pragma once

#include <string>
#include <vector>

#include "engine/evaluation/comparison.h"
#include "engine/scheme.h"

namespace gemma {

struct ClassTrial {
  std::string name;       // "mlp"; "all" for every class at once
  std::string scheme;     // the whole word: "f32,mlp=int4"
  uint64_t elements = 0;  // weights of the class
};

// One trial for each class of matrices that a model of this config has, in the order in which it uses them,
// then "all". kUsage if `scheme` is not one plain scheme (it has overrides of its own) or `base` cannot be
// parsed.
Result<std::vector<ClassTrial>> class_trials(const ModelConfig& config, const std::string& base,
                                             const std::string& scheme);

}  // namespace gemma
