// Rows of a stored tensor -> the memory of a matrix, in the form that its kernel reads: levels kept or found,
// scales, panels, or floats. A few rows at a time, so that they stay in a core's cache between the steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/stored_tensor.h"
#include "engine/weight_quantizer.h"
#include "kernels/matrix.h"

namespace gemma {

class RowPacker {
 public:
  // Buffers that a thread keeps from call to call: they grow, and nothing is allocated after the first rows.
  struct Scratch {
    StoredTensor::Scratch stored;
    std::vector<float> values, scales;
    std::vector<int8_t> levels;
    std::vector<uint16_t> halves;
  };

  // What becomes of the rows. `view` has format, bits, rows and cols of one matrix; data and scales are not
  // looked at.
  struct Target {
    kernels::MatrixView view;
    bool keeps = false;  // the file's own levels and scales, of one scale per `group` columns
    bool fake = false;   // scale * level as float32
    WeightQuantizer quantizer;
  };

  // All must outlive this.
  RowPacker(const StoredTensor& stored, const Target& target);

  // Scales of a row; 0 for floats. One of the whole matrix counts for each row.
  size_t groups() const { return groups_; }

  // Rows [first, first + n) of a matrix whose row 0 is row `row0` of the tensor. `first` and n as pack_rows
  // wants them. `data` and `scales` (for levels whose scales lie beside them) are the whole matrix's. Returns
  // how many groups were on no grid though the tensor has one. Ranges may be packed in parallel.
  Result<uint64_t> pack(size_t row0, size_t first, size_t n, Scratch& scratch, std::byte* data,
                        float* scales) const;

 private:
  Result<void> copy_floats(size_t row, size_t first, size_t n, Scratch& scratch, std::byte* data) const;

  const StoredTensor& stored_;
  const Target& target_;
  size_t groups_;
};

// Rows that one thread takes at a time: whole panels, about a quarter of a megabyte of float32.
size_t rows_per_step(size_t cols);

}  // namespace gemma
