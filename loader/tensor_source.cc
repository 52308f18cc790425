#include "loader/tensor_source.h"

#include <algorithm>

#include <fmt/format.h>

namespace gemma {

size_t TensorInfo::elements() const {
  size_t n = 1;
  for (size_t extent : shape) n *= extent;
  return n;
}

const TensorInfo* TensorSource::find(std::string_view name) const {
  std::span<const TensorInfo> all = tensors();
  auto it = std::lower_bound(all.begin(), all.end(), name,
                             [](const TensorInfo& t, std::string_view n) { return t.name < n; });
  return it != all.end() && it->name == name ? &*it : nullptr;
}

Result<void> TensorSource::read_row_start(const TensorInfo& tensor, size_t row,
                                          std::span<std::byte> out) const {
  std::vector<std::byte> whole(tensor.row_bytes());
  if (out.size() > whole.size()) {
    return fail(ErrorCode::kInternal, tensor.name,
                fmt::format("expected at most {} bytes of a row, found {}", whole.size(), out.size()));
  }
  Result<void> read = read_rows(tensor, row, row + 1, whole);
  if (read) std::copy_n(whole.begin(), out.size(), out.begin());
  return read;
}

Result<void> TensorSource::read_bytes(const TensorInfo& tensor, uint64_t offset,
                                      std::span<std::byte> out) const {
  return fail(ErrorCode::kInternal, tensor.name,
              fmt::format("{} bytes from {} on lie in no stretch of a file", out.size(), offset));
}

}  // namespace gemma
