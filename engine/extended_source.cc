#include "engine/extended_source.h"

#include <algorithm>
#include <cstring>

namespace gemma {

ExtendedSource::ExtendedSource(const TensorSource& base, std::vector<AddedTensor> added)
    : base_(base), added_(std::move(added)) {
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(added_.begin(), added_.end(), by_name);
  for (const AddedTensor& tensor : added_) {
    TensorInfo info;
    info.name = info.stored_name = tensor.name;
    info.shape = tensor.shape;
    tensors_.push_back(std::move(info));
  }
  for (const TensorInfo& tensor : base.tensors()) {
    if (own(tensor) == nullptr) tensors_.push_back(tensor);
  }
  std::sort(tensors_.begin(), tensors_.end(), by_name);
}

const AddedTensor* ExtendedSource::own(const TensorInfo& tensor) const {
  const auto at =
      std::lower_bound(added_.begin(), added_.end(), tensor.name,
                       [](const AddedTensor& a, const std::string& name) { return a.name < name; });
  return at != added_.end() && at->name == tensor.name ? &*at : nullptr;
}

Result<void> ExtendedSource::read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                                       std::span<std::byte> out) const {
  const AddedTensor* values = own(tensor);
  if (values == nullptr) return base_.read_rows(tensor, row0, row1, out);
  const std::span<const std::byte> bytes = std::as_bytes(std::span(values->values));
  const size_t begin = row0 * tensor.row_bytes();
  if (row0 > row1 || row1 > tensor.rows() || out.size() != (row1 - row0) * tensor.row_bytes()) {
    return fail(ErrorCode::kInternal, tensor.name, "rows that are not there, or a buffer of another size");
  }
  std::memcpy(out.data(), bytes.data() + begin, out.size());
  return {};
}

Result<void> ExtendedSource::read_row_start(const TensorInfo& tensor, size_t row,
                                            std::span<std::byte> out) const {
  if (own(tensor) == nullptr) return base_.read_row_start(tensor, row, out);
  return TensorSource::read_row_start(tensor, row, out);
}

std::span<const std::byte> ExtendedSource::mapped(const TensorInfo& tensor) const {
  return own(tensor) == nullptr ? base_.mapped(tensor) : std::span<const std::byte>();
}

Result<void> ExtendedSource::read_bytes(const TensorInfo& tensor, uint64_t offset,
                                        std::span<std::byte> out) const {
  if (own(tensor) == nullptr) return base_.read_bytes(tensor, offset, out);
  return TensorSource::read_bytes(tensor, offset, out);
}

void ExtendedSource::drop_rows(const TensorInfo& tensor, size_t row0, size_t row1) const {
  if (own(tensor) == nullptr) base_.drop_rows(tensor, row0, row1);
}

}  // namespace gemma
