// Which tensors of a checkpoint lie on a trained grid: values step * level with a step per 32 columns and
// levels of 4 bits, as quantization-aware training leaves them (docs/formats/qat-unquantized.md). Nothing is
// assumed of a class of tensors: each is sampled by itself.
#pragma once

#include <cstddef>
#include <set>

#include "engine/scheme.h"
#include "engine/stored_tensor.h"
#include "loader/config.h"
#include "loader/tensor_source.h"

namespace gemma {

// Whether 32 evenly spaced rows of the tensor (all, if it has fewer) lie on a grid in groups of 32 and are
// not all zeros. Ordinary weights are told by their first group; a trained tensor costs 32 short reads.
Result<bool> on_grid(const StoredTensor& tensor);

// The matrices that a model computes with, embeddings and tables among them.
struct GridSurvey {
  size_t matrices = 0;
  size_t on_grid = 0;
  std::set<TensorClass> off_grid;  // classes with a matrix on no grid

  bool all() const { return matrices > 0 && on_grid == matrices; }
  // Every matrix of the layers lies on a grid, whatever embeddings, tables and head do.
  bool layers() const;
};

Result<GridSurvey> survey_grid(const ModelConfig& config, const TensorSource& source,
                               const kernels::KernelTable& kernels);

// Whether a checkpoint was trained for a grid: more than half of up to 16 of its layers' matrices lie on one.
// What does not is then a stray.
Result<bool> trained_on_grid(const TensorSource& source, const kernels::KernelTable& kernels);

}  // namespace gemma
