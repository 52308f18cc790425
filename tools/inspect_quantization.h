// What a checkpoint's quantization is, in plain words, and which of the known traps it has walked into.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/tensor_plan.h"
#include "loader/config.h"
#include "loader/result.h"
#include "loader/tensor_source.h"

namespace gemma {

struct GridCount {
  uint64_t tensors = 0;  // matrices of the class stored as floats
  uint64_t on_grid = 0;  // whose sampled rows all lie on a trained 4-bit grid
};

struct StoredQuantization {
  std::string declared;                                    // by config.json; empty: none
  std::map<std::string, GridCount> grids;                  // by class, of float matrices
  std::map<std::string, std::vector<std::string>> stored;  // by class, of quantized ones: "105 matrices of 4
                                                           // bits, one scale per group of 32"
  std::string activations;            // "static, 8 bits: 250 matrices carry input and output scales"
  std::vector<std::string> warnings;  // one sentence each, what to do included
};

// Looks at sampled rows. `plan` fits `source`. Errors: a row that cannot be read, scales that are damaged.
Result<StoredQuantization> inspect_quantization(const ModelConfig& config,
                                                const std::vector<PlannedTensor>& plan,
                                                const TensorSource& source,
                                                const kernels::KernelTable& kernels);

}  // namespace gemma
