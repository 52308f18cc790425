// Rows of the per-layer table -> rows as a packed file holds them: blocks of Q4_0 with their scales inside,
// or levels of 2, 4 or 8 bits whose scales lie beside them. Quantized as PleTable would when it reads the
// row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/rounding_error.h"
#include "engine/stored_tensor.h"
#include "engine/weight_quantizer.h"
#include "loader/tensor_source.h"

namespace gemma {

class TablePacker {
 public:
  // Buffers that a thread keeps from row to row.
  struct Scratch {
    StoredTensor::Scratch stored;
    std::vector<float> values, scales, rounded;
    std::vector<int8_t> levels;
    std::vector<uint16_t> halves;
  };

  // `packed` is the tensor to be: kQ4_0, kGemma2, kGemma4 or kGemma8. `errors`: pack() compares with the
  // source. All must outlive this.
  TablePacker(const StoredTensor& stored, const WeightQuantizer& quantizer, const TensorInfo& packed,
              bool errors);

  size_t scales_per_row() const { return groups_; }

  // One row into `to` (row_bytes of `packed`) and, where they lie beside it, `scales` (scales_per_row).
  // Returns how many groups were on no grid though the tensor has one. Rows may be packed in parallel.
  Result<uint64_t> pack(size_t row, Scratch& scratch, std::byte* to, float* scales,
                        RoundingError& error) const;

 private:
  const StoredTensor& stored_;
  const WeightQuantizer& quantizer_;
  const TensorInfo& packed_;
  bool errors_;
  size_t groups_;
};

}  // namespace gemma
