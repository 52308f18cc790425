// A checkpoint with a few small float32 tensors added, or put in the place of its own: static scales that
// were just found, seen by everything that reads a TensorSource as if they had come with the file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loader/tensor_source.h"

namespace gemma {

struct AddedTensor {
  std::string name;
  std::vector<size_t> shape;
  std::vector<float> values;
};

class ExtendedSource final : public TensorSource {
 public:
  // `base` must outlive this.
  ExtendedSource(const TensorSource& base, std::vector<AddedTensor> added);

  std::span<const TensorInfo> tensors() const override { return tensors_; }
  Result<void> read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                         std::span<std::byte> out) const override;
  Result<void> read_row_start(const TensorInfo& tensor, size_t row, std::span<std::byte> out) const override;
  std::span<const std::byte> mapped(const TensorInfo& tensor) const override;
  Result<void> read_bytes(const TensorInfo& tensor, uint64_t offset, std::span<std::byte> out) const override;
  std::string_view declared_scheme() const override { return base_.declared_scheme(); }
  void drop_rows(const TensorInfo& tensor, size_t row0, size_t row1) const override;

 private:
  const AddedTensor* own(const TensorInfo& tensor) const;

  const TensorSource& base_;
  std::vector<AddedTensor> added_;   // sorted by name
  std::vector<TensorInfo> tensors_;  // of both, sorted by name
};

}  // namespace gemma
