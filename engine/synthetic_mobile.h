// The synthetic checkpoint (engine/synthetic.h) as its makers would have published it in the mobile format:
// the same random values on grids of 2, 4 and 8 bits, an untied head, and static activation scales. What to
// clamp at is known without running the model, because its weights are made so that unit inputs give unit
// outputs.
//
// Bits, as in the published E2B and E4B: 2 for embedding and head, 8 for the two matrices of the per-layer
// input, 4 for attention and MLP; where the upper half has MLPs of twice the width (E2B), those have 2 bits
// and the per-layer table 4, else the table has 2. Experts have 4.
#pragma once

#include <vector>

#include "engine/synthetic.h"

namespace gemma {

// The configuration such a checkpoint has: its own head, quantization method "gemma".
ModelConfig mobile_config(ModelConfig config);

class SyntheticMobileSource final : public TensorSource {
 public:
  // `config` as mobile_config gives it.
  SyntheticMobileSource(const ModelConfig& config, uint64_t seed);

  std::span<const TensorInfo> tensors() const override { return tensors_; }
  // kInternal as SyntheticSource::read_rows.
  Result<void> read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                         std::span<std::byte> out) const override;
  Result<void> read_row_start(const TensorInfo& tensor, size_t row, std::span<std::byte> out) const override;
  std::span<const std::byte> mapped(const TensorInfo& tensor) const override;

 private:
  // Where a tensor's rows come from.
  struct Origin {
    enum class Kind { kValues, kLevels, kScales, kNumber } kind = Kind::kValues;
    int bits = 0;      // kLevels
    size_t group = 0;  // kLevels: columns that share a scale
    float number = 0;  // kNumber: itself; kLevels and kScales: the middle of the scales
  };

  // The first out.size() bytes of a row, which are there.
  Result<void> read(const TensorInfo& own, size_t row, std::span<std::byte> out) const;
  Result<void> read_levels(const TensorInfo& tensor, const Origin& origin, size_t row,
                           std::span<std::byte> out) const;

  SyntheticSource values_;
  std::vector<TensorInfo> tensors_;  // sorted by name
  std::vector<Origin> origins_;      // of the tensor at the same place
};

}  // namespace gemma
