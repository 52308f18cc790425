#include "loader/tensor_source.h"

#include <algorithm>

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

}  // namespace gemma
