// A tensor of a checkpoint as numbers, however it is stored: as float32 always, and as the very levels and
// scales of the file where it is stored quantized. All reading of weights goes through here.
//
//   Result<StoredTensor> stored = StoredTensor::open(source, *source.find("layers.0.mlp.up_proj.weight"));
//   StoredTensor::Scratch scratch;                              // one per thread
//   Result<void> read = stored->floats(0, 16, scratch, out);    // rows [0, 16)
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/matrix.h"
#include "loader/tensor_source.h"

namespace gemma {

class StoredTensor {
 public:
  // Buffers that a reading thread keeps from call to call.
  struct Scratch {
    std::vector<std::byte> raw, raw_scales;
    std::vector<int8_t> levels;
    std::vector<float> scales;
  };

  // `source` and `tensor` must outlive this. kMismatch if its scales are missing or of a shape that does not
  // fit its rows, kUnsupported for element types that are no weights, kInvalidFile for panels or
  // blocks that are not whole.
  static Result<StoredTensor> open(const TensorSource& source, const TensorInfo& tensor);

  const TensorInfo& info() const { return *info_; }

  // Whether the file holds levels; if so their bits and how many columns share a scale (all: per channel).
  bool in_levels() const { return bits_ > 0; }
  int bits() const { return bits_; }
  size_t group() const { return group_; }

  // The float type that holds its values: its own, or F32 for levels times scales.
  Dtype float_type() const { return in_levels() ? Dtype::kF32 : info_->dtype; }

  // Rows [row0, row0 + rows) as levels (rows, columns) and scales (rows, columns / group). Only if
  // in_levels(). kInvalidFile naming the row of a scale that is no finite number >= 0 (GGUF's blocks may be
  // negative), or of levels beyond the 6 bits they are said to have; kInternal for rows that are not there.
  Result<void> levels(size_t row0, size_t rows, Scratch& scratch, int8_t* levels, float* scales) const;

  // Rows as float32 (rows, columns): the stored floats, or scale * level.
  Result<void> floats(size_t row0, size_t rows, Scratch& scratch, float* out) const;

  // Rows [row0, row0 + rows) in the mapped file, if they are stored in the form that a kernel reads and are
  // the whole matrix or one of its stacked experts; else null.
  const kernels::MatrixView* panels(size_t row0, size_t rows) const;

 private:
  Result<void> open_scales();
  Result<void> read_scales(size_t row0, size_t rows, Scratch& scratch, float* scales) const;

  const TensorSource* source_ = nullptr;
  const TensorInfo* info_ = nullptr;
  const TensorInfo* scales_ = nullptr;       // null: they lie inside the rows
  std::vector<float> all_scales_;            // of a scale tensor without rows of its own
  std::vector<kernels::MatrixView> panels_;  // of each block of a kPanels tensor
  int bits_ = 0;
  size_t group_ = 0;
};

// A whole tensor as float32.
Result<std::vector<float>> read_floats(const TensorSource& source, const TensorInfo& tensor);

}  // namespace gemma
