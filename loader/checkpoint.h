// A model folder or a single .safetensors file on disk, opened and checked: memory-mapped safetensors (one
// file or the shards of model.safetensors.index.json), names stripped of whatever prefix the exporter used.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loader/logical_columns.h"
#include "loader/tensor_source.h"

namespace gemma {

// What is left of a stored tensor name after the first of "language_model.model.", "model.language_model.",
// "language_model.", "model.text_model.", "model." found in it; "lm_head.weight" keeps its name. Empty for
// tensors that are not part of the text decoder (vision, audio, projectors).
std::string canonical_name(std::string_view stored);

class Checkpoint final : public TensorSource {
 public:
  // `folder` holds model.safetensors, or shards and their index. All thirteen checks of the format are made
  // before anything is returned (loader/safetensors.h).
  // `columns` tells the model's matrices apart from their packed bytes; without it uint8 matrices stay bytes.
  static Result<std::unique_ptr<Checkpoint>> open(const std::string& folder,
                                                  const LogicalColumns& columns = nullptr);
  ~Checkpoint() override;

  std::span<const TensorInfo> tensors() const override;
  Result<void> read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                         std::span<std::byte> out) const override;
  Result<void> read_row_start(const TensorInfo& tensor, size_t row, std::span<std::byte> out) const override;
  std::span<const std::byte> mapped(const TensorInfo& tensor) const override;
  Result<void> read_bytes(const TensorInfo& tensor, uint64_t offset, std::span<std::byte> out) const override;
  void drop_rows(const TensorInfo& tensor, size_t row0, size_t row1) const override;
  std::string_view declared_scheme() const override;

  // Stored tensors that are no part of the text decoder (vision, audio): how many, and their bytes.
  size_t other_tensors() const;
  uint64_t other_bytes() const;

 private:
  struct Impl;
  explicit Checkpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gemma
