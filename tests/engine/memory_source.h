// A checkpoint of bf16 tensors that a test makes up, in memory.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kernels/quantize.h"
#include "loader/tensor_source.h"

namespace gemma {

class MemorySource : public TensorSource {
 public:
  // Values are rounded to bf16.
  void add(const std::string& name, std::vector<size_t> shape, const std::vector<float>& values) {
    TensorInfo info;
    info.name = info.stored_name = name;
    info.shape = std::move(shape);
    info.dtype = Dtype::kBf16;
    const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                     [](const TensorInfo& t, const std::string& n) { return t.name < n; });
    tensors_.insert(at, info);
    std::vector<uint16_t>& halves = halves_[name];
    halves.resize(values.size());
    std::transform(values.begin(), values.end(), halves.begin(), kernels::to_bf16);
  }

  std::span<const TensorInfo> tensors() const override { return tensors_; }

  Result<void> read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                         std::span<std::byte> out) const override {
    const std::lock_guard lock(mutex_);
    ++reads_[tensor.name];
    std::memcpy(out.data(), halves_.at(tensor.name).data() + row0 * tensor.columns(),
                (row1 - row0) * tensor.row_bytes());
    return {};
  }
  std::span<const std::byte> mapped(const TensorInfo&) const override { return {}; }

  size_t reads(const std::string& name) const { return reads_[name]; }

 private:
  std::vector<TensorInfo> tensors_;  // sorted by name
  std::map<std::string, std::vector<uint16_t>> halves_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, size_t> reads_;
};

}  // namespace gemma
