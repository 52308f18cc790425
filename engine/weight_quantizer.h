// One row of weights -> levels and scales, by the definitions of kernels/quantize.h. Fake schemes, packed
// schemes and the per-layer table all quantize through this one function, so they cannot disagree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/fake_rounding.h"
#include "kernels/kernel_table.h"

namespace gemma {

// How 4-bit groups of 32 without a trained grid are quantized: Q4_0 as ggml does it, or the smaller squared
// error of that and a least-squares scale (kernels/quantize.h).
enum class OffGrid : uint8_t { kTextbook, kLeastError };

class WeightQuantizer {
 public:
  // Float: nothing is quantized.
  WeightQuantizer() = default;
  // Symmetric levels, one scale per `group` columns of a row.
  static WeightQuantizer per_group(int bits, size_t group);
  // Symmetric levels, `scale` for every row: a tensor's.
  static WeightQuantizer per_tensor(int bits, float scale);
  // 4 bits in groups of 32 with fp16 scales. `on_grid` says that the tensor has a trained grid: groups get
  // theirs back, and one that lies on none the least error. Without a grid all groups get `off_grid`.
  static WeightQuantizer q4_0(bool on_grid, OffGrid off_grid = OffGrid::kTextbook);

  // Levels with a zero point. They have no integer form: only fake() knows them.
  static WeightQuantizer with_zero_point(const FakeRounding& rounding);

  bool quantizes() const { return bits_ != 0; }
  bool has_zero_point() const { return kind_ == Kind::kZeroPoint; }
  int bits() const { return bits_; }
  bool is_q4_0() const { return kind_ == Kind::kQ4_0; }
  bool on_grid() const { return on_grid_; }
  bool is_per_tensor() const { return kind_ == Kind::kTensor; }
  size_t groups_per_row(size_t cols) const { return kind_ == Kind::kTensor ? 1 : cols / group_; }

  // Not with a zero point. levels (cols); scales (groups_per_row). Returns how many groups were on no grid
  // though on_grid was said. Whole rows that lie one after the other may be given as one, unless the scale is
  // a tensor's.
  size_t quantize(const kernels::KernelTable& kernels, std::span<const float> row, int8_t* levels,
                  float* scales) const;

  // row = scale * level of its own quantization; unchanged for Float. `levels` and `scales` are scratch.
  void fake(const kernels::KernelTable& kernels, std::span<float> row, std::vector<int8_t>& levels,
            std::vector<float>& scales) const;

 private:
  size_t quantize_q4_0(const kernels::KernelTable& kernels, std::span<const float> row, int8_t* levels,
                       float* scales) const;

  enum class Kind { kNone, kGroup, kTensor, kQ4_0, kZeroPoint };
  Kind kind_ = Kind::kNone;
  int bits_ = 0;
  size_t group_ = 0;
  float tensor_scale_ = 0;
  bool on_grid_ = false;
  FakeRounding rounding_;  // of kZeroPoint
  OffGrid off_grid_ = OffGrid::kTextbook;
};

}  // namespace gemma
