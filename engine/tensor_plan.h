// Which tensors a Gemma 4 text decoder of a given config must have, under which canonical names and shapes,
// and the check of a checkpoint against that list: everything missing, surplus or mis-shaped is told at once.
#pragma once

#include <string>
#include <vector>

#include "engine/scheme.h"
#include "loader/config.h"
#include "loader/tensor_source.h"

namespace gemma {

struct PlannedTensor {
  std::string name;  // canonical: "layers.3.self_attn.q_proj.weight"
  std::vector<size_t> shape;
  TensorClass tensor_class = TensorClass::kFloat;  // kFloat: norms, router, scalars; never quantized
  bool required = true;  // false: may be there and is not read (stale K/V of layers that share them)
};

std::vector<PlannedTensor> plan_tensors(const ModelConfig& config);

// kMismatch listing every missing, surplus and mis-shaped tensor with expected and found (the first 40 of
// each; the rest counted), and every tensor of a type that is not F32, F16 or BF16.
// kUnsupported listing matrices of more columns than the integer kernels' sums hold.
Result<void> check_tensors(const ModelConfig& config, const TensorSource& source, const std::string& where);

}  // namespace gemma
