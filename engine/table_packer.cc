#include "engine/table_packer.h"

#include <algorithm>
#include <cstring>

#include "kernels/stored_blocks.h"

namespace gemma {

TablePacker::TablePacker(const StoredTensor& stored, const WeightQuantizer& quantizer,
                         const TensorInfo& packed, bool errors)
    : stored_(stored),
      quantizer_(quantizer),
      packed_(packed),
      errors_(errors),
      groups_(quantizer.groups_per_row(packed.columns())) {}

Result<uint64_t> TablePacker::pack(size_t row, Scratch& scratch, std::byte* to, float* scales,
                                   RoundingError& error) const {
  const size_t cols = packed_.columns();
  scratch.values.resize(cols);
  scratch.levels.resize(cols);
  scratch.scales.resize(groups_);
  Result<void> read = stored_.floats(row, 1, scratch.stored, scratch.values.data());
  if (!read) return fail(std::move(read.error()));
  const int8_t* levels = scratch.levels.data();
  const size_t strays =
      quantizer_.quantize(stored_.kernels(), scratch.values, scratch.levels.data(), scratch.scales.data());
  switch (packed_.encoding) {
    case Encoding::kQ4_0:
      scratch.halves.resize(groups_);
      stored_.kernels().float_to_f16(scratch.scales.data(), scratch.halves.data(), groups_);
      kernels::encode_q4_0(levels, scratch.halves.data(), cols, to);
      break;
    case Encoding::kGemma8:
      std::memcpy(to, levels, cols);
      break;
    default:
      kernels::encode_offset_levels(levels, cols, quantizer_.bits(), to);
  }
  if (scales != nullptr) std::copy(scratch.scales.begin(), scratch.scales.end(), scales);
  if (errors_) {
    scratch.rounded.resize(cols);
    const size_t group = cols / groups_;
    for (size_t c = 0; c < cols; ++c) {
      scratch.rounded[c] = scratch.scales[c / group] * static_cast<float>(levels[c]);
    }
    error.add(scratch.values, scratch.rounded);
  }
  return uint64_t{strays};
}

}  // namespace gemma
