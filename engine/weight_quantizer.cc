#include "engine/weight_quantizer.h"

#include <algorithm>

#include "kernels/matrix.h"
#include "kernels/quantize.h"

namespace gemma {

WeightQuantizer WeightQuantizer::per_group(int bits, size_t group) {
  WeightQuantizer q;
  q.kind_ = Kind::kGroup;
  q.bits_ = bits;
  q.group_ = group;
  return q;
}

WeightQuantizer WeightQuantizer::per_tensor(int bits, float scale) {
  WeightQuantizer q;
  q.kind_ = Kind::kTensor;
  q.bits_ = bits;
  q.tensor_scale_ = scale;
  return q;
}

WeightQuantizer WeightQuantizer::q4_0(bool on_grid, OffGrid off_grid) {
  WeightQuantizer q;
  q.kind_ = Kind::kQ4_0;
  q.bits_ = 4;
  q.group_ = kernels::kGroup;
  q.on_grid_ = on_grid;
  q.off_grid_ = off_grid;
  return q;
}

WeightQuantizer WeightQuantizer::with_zero_point(const FakeRounding& rounding) {
  WeightQuantizer q;
  q.kind_ = Kind::kZeroPoint;
  q.bits_ = rounding.bits;
  q.group_ = rounding.group;
  q.rounding_ = rounding;
  return q;
}

size_t WeightQuantizer::quantize_q4_0(const kernels::KernelTable& kernels, std::span<const float> row,
                                      int8_t* levels, float* scales) const {
  constexpr size_t kBlock = 64;
  size_t strays = 0;
  for (size_t first = 0, groups = row.size() / kernels::kGroup; first < groups; first += kBlock) {
    const size_t n = std::min(kBlock, groups - first);
    const float* w = row.data() + first * kernels::kGroup;
    int8_t* to = levels + first * kernels::kGroup;
    uint16_t halves[kBlock];
    size_t off_grid = n;
    if (on_grid_) {
      off_grid = kernels.recover_grid(w, n, to, halves);
      strays += off_grid;
    } else if (off_grid_ == OffGrid::kTextbook) {
      kernels.q4_0_textbook(w, n, to, halves);
      off_grid = 0;
    } else {
      std::fill(halves, halves + n, kernels::kOffGrid);
    }
    for (size_t g = 0; g < n && off_grid > 0; ++g) {
      if (halves[g] != kernels::kOffGrid) continue;
      halves[g] = kernels::q4_0_least_error(
          std::span<const float, kernels::kGroup>(w + g * kernels::kGroup, kernels::kGroup),
          std::span<int8_t, kernels::kGroup>(to + g * kernels::kGroup, kernels::kGroup));
    }
    kernels.f16_to_float(halves, scales + first, n);
  }
  return strays;
}

size_t WeightQuantizer::quantize(const kernels::KernelTable& kernels, std::span<const float> row,
                                 int8_t* levels, float* scales) const {
  if (kind_ == Kind::kQ4_0) return quantize_q4_0(kernels, row, levels, scales);
  if (kind_ == Kind::kTensor) {
    kernels.symmetric_levels(row.data(), row.size(), tensor_scale_, bits_, levels);
    scales[0] = tensor_scale_;
    return 0;
  }
  for (size_t g = 0; g < row.size() / group_; ++g) {
    const float* w = row.data() + g * group_;
    scales[g] = kernels::symmetric_scale(kernels.absmax(w, group_), bits_);
    kernels.symmetric_levels(w, group_, scales[g], bits_, levels + g * group_);
  }
  return 0;
}

void WeightQuantizer::fake(const kernels::KernelTable& kernels, std::span<float> row,
                           std::vector<int8_t>& levels, std::vector<float>& scales) const {
  if (!quantizes()) return;
  if (has_zero_point()) return rounding_.apply(row, row.data());
  const size_t groups = groups_per_row(row.size());
  const size_t group = row.size() / groups;
  levels.resize(row.size());
  scales.resize(groups);
  quantize(kernels, row, levels.data(), scales.data());
  for (size_t i = 0; i < row.size(); ++i) row[i] = scales[i / group] * static_cast<float>(levels[i]);
}

}  // namespace gemma
