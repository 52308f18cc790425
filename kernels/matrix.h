// A weight matrix as the kernels read it: y = W x with W (rows, cols), row = output, as checkpoints store it.
// A MatrixView is a loan: it owns nothing. Who builds one: engine/weights.h, by kernels/pack.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemma::kernels {

enum class WeightFormat : uint8_t {
  // Row-major, element type as named; any alignment. All three give the same sums for the same values.
  kF32,
  kBf16,
  kF16,
  // Row-major bit-packed levels, multiplied in float: value = scale * level. bits in {2, 3, 4, 8}; 3-bit
  // levels take a nibble. Level l is stored as l + 2^(bits-1), lowest bits first; each row starts on a byte.
  kLevels,
  // Panels for the integer kernels (16 rows; kernels/pack.h has the picture): int4 in groups of 32 columns
  // with one fp16 scale each; 4, 8 or 2 bits with one float32 scale per row.
  kInt4Group32,
  kInt4Channel,
  kInt8Channel,
  // Panels of int8 levels in groups of 16 or 32 columns (`group`) with one float32 scale each
  // (kernels/int8_group.h). bits is 8, or 6 where all levels lie in -32..31.
  kInt8Group,
  kInt2Channel,
};

inline constexpr size_t kPanelRows = 16;
inline constexpr size_t kGroup = 32;

// What a product of 8-bit levels with static scales on both sides needs besides the levels
// (kernels/static_scales.h).
struct StaticScales {
  // (padded rows): from the integer sum to the output's level, or to its value if `output` is 0.
  const float* factors = nullptr;
  float output = 0;  // scale of the output's levels; 0: the output is not quantized
};

struct MatrixView {
  WeightFormat format = WeightFormat::kF32;
  uint8_t bits = 32;  // of a level; 32 or 16 for the float formats
  size_t rows = 0;    // outputs
  size_t cols = 0;    // inputs, the K of the sum
  const std::byte* data = nullptr;
  const float* scales = nullptr;  // kLevels: (rows, cols/group) or see `group`; channel panels: (padded
                                  // rows); null for kInt4Group32 (its fp16 scales lie inside the panels)
  size_t group = 0;               // kLevels: columns that share a scale; 0: one scale for the whole tensor
                                  // (scales has one element); = cols: per output channel
  StaticScales statics = {};      // for the kernels whose name ends in _static
};

}  // namespace gemma::kernels
