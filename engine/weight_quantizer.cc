#include "engine/weight_quantizer.h"

#include <algorithm>
#include <cmath>

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

WeightQuantizer WeightQuantizer::q4_0(bool on_grid) {
  WeightQuantizer q;
  q.kind_ = Kind::kQ4_0;
  q.bits_ = 4;
  q.group_ = kernels::kGroup;
  q.on_grid_ = on_grid;
  return q;
}

size_t WeightQuantizer::quantize(std::span<const float> row, int8_t* levels, float* scales) const {
  if (kind_ == Kind::kTensor) {
    kernels::symmetric_levels(row, tensor_scale_, bits_, {levels, row.size()});
    scales[0] = tensor_scale_;
    return 0;
  }
  size_t off_grid = 0;
  for (size_t g = 0; g < row.size() / group_; ++g) {
    const std::span<const float> group = row.subspan(g * group_, group_);
    int8_t* group_levels = levels + g * group_;
    if (kind_ == Kind::kGroup) {
      float absmax = 0;
      for (float w : group) absmax = std::max(absmax, std::fabs(w));
      scales[g] = kernels::symmetric_scale(absmax, bits_);
      kernels::symmetric_levels(group, scales[g], bits_, {group_levels, group_});
      continue;
    }
    const std::span<const float, kernels::kGroup> values(group.data(), kernels::kGroup);
    const std::span<int8_t, kernels::kGroup> out(group_levels, kernels::kGroup);
    uint16_t scale = 0;
    if (!on_grid_ || !kernels::q4_0_recover_grid(values, out, scale)) {
      off_grid += on_grid_;
      scale = kernels::q4_0_textbook(values, out);
    }
    scales[g] = kernels::from_f16(scale);
  }
  return off_grid;
}

void WeightQuantizer::fake(std::span<float> row, std::vector<int8_t>& levels) const {
  if (!quantizes()) return;
  const size_t groups = groups_per_row(row.size());
  const size_t group = row.size() / groups;
  levels.resize(row.size());
  std::vector<float> scales(groups);
  quantize(row, levels.data(), scales.data());
  for (size_t i = 0; i < row.size(); ++i) row[i] = scales[i / group] * static_cast<float>(levels[i]);
}

}  // namespace gemma
