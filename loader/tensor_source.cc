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

Result<void> TensorSource::read_bytes(const TensorInfo& tensor, uint64_t offset,
                                      std::span<std::byte> out) const {
  return fail(ErrorCode::kInternal, tensor.name,
              fmt::format("{} bytes from {} on lie in no stretch of a file", out.size(), offset));
}

}  // namespace gemma
