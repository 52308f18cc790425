// The matrices that Gemma 4 multiplies by, read from the plans of its five sizes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/scheme.h"
#include "loader/config.h"

namespace gemma {

inline constexpr std::string_view kModelSizes[] = {"e2b", "e4b", "12b", "26b-a4b", "31b"};

// The config of one of them; they always parse.
ModelConfig model_config(std::string_view size);

struct ModelShape {
  std::string name;  // "e2b/gate_proj/12288x1536"
  std::string_view size;
  TensorClass tensor_class = TensorClass::kMlp;
  size_t rows = 0, cols = 0;
};

// Every shape once, under the name of the first size and matrix that has it; the tied embedding as the head
// it is, of experts the matrix of one, of the per-layer table nothing, which is only looked up.
const std::vector<ModelShape>& model_shapes();

}  // namespace gemma
