// One row of weights -> levels and scales, by the definitions of kernels/quantize.h. Fake schemes, packed
// schemes and the per-layer table all quantize through this one function, so they cannot disagree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gemma {

class WeightQuantizer {
 public:
  // Float: nothing is quantized.
  WeightQuantizer() = default;
  // Symmetric levels, one scale per `group` columns of a row.
  static WeightQuantizer per_group(int bits, size_t group);
  // Symmetric levels, `scale` for every row: a tensor's.
  static WeightQuantizer per_tensor(int bits, float scale);
  // 4 bits in groups of 32 with fp16 scales: the trained grid where a group lies on one and `on_grid` says
  // the tensor has one, else textbook Q4_0.
  static WeightQuantizer q4_0(bool on_grid);

  bool quantizes() const { return bits_ != 0; }
  int bits() const { return bits_; }
  bool is_q4_0() const { return kind_ == Kind::kQ4_0; }
  bool on_grid() const { return on_grid_; }
  bool is_per_tensor() const { return kind_ == Kind::kTensor; }
  size_t groups_per_row(size_t cols) const { return kind_ == Kind::kTensor ? 1 : cols / group_; }

  // levels (cols); scales (groups_per_row). Returns how many groups were on no grid though on_grid was said.
  size_t quantize(std::span<const float> row, int8_t* levels, float* scales) const;

  // row = scale * level of its own quantization; unchanged for Float. `levels` (cols) is scratch.
  void fake(std::span<float> row, std::vector<int8_t>& levels) const;

 private:
  enum class Kind { kNone, kGroup, kTensor, kQ4_0 };
  Kind kind_ = Kind::kNone;
  int bits_ = 0;
  size_t group_ = 0;
  float tensor_scale_ = 0;
  bool on_grid_ = false;
};

}  // namespace gemma
