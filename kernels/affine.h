// Levels with a zero point (asymmetric, or affine, quantization): 0..2^bits - 1, value = scale * (level -
// zero). The usual min-max definition, as torch.ao.quantization.MinMaxObserver has it for affine schemes:
//
//   lo = min(smallest, 0), hi = max(largest, 0)      0 is always representable
//   scale = (hi - lo) / (2^bits - 1)                 in float64, rounded once to float32
//   zero  = clamp(rint(-lo / scale), 0, 2^bits - 1)  half to even
//   level = clamp(rint(x / scale) + zero, 0, 2^bits - 1)
//
// Levels are kept as floats: nothing computes with them in integers, and 255 fits no int8_t. A symmetric grid
// whose scale is known is one of these too: with zero = 2^(bits-1) the levels less the zero point are
// clamp(rint(x / scale), -2^(bits-1), 2^(bits-1) - 1).
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace gemma::kernels {

struct AffineGrid {
  float scale = 0;  // 0: every value becomes 0
  float zero = 0;   // a whole number, 0..2^bits - 1
  bool operator==(const AffineGrid&) const = default;
};

// Of values from `lowest` to `highest`. A range so small that its scale leaves float32 gives scale 0. The
// ends may come out half a scale further from 0 than they were: beyond float32 if they were near its end.
AffineGrid affine_grid(float lowest, float highest, int bits);

// The largest level of so many bits: 2^bits - 1.
inline float highest_level(int bits) {
  return static_cast<float>((1 << bits) - 1);
}

// The level of x; NaN has that of 0. scale > 0.
inline float affine_level(float x, const AffineGrid& grid, int bits) {
  const float level = std::nearbyint(x / grid.scale) + grid.zero;
  return level == level ? std::clamp(level, 0.0f, highest_level(bits)) : grid.zero;
}

// The grid of the values of x, NaNs aside.
AffineGrid affine_grid_of(std::span<const float> x, int bits);

// y = what x becomes: scale * (level - zero). y (x.size()) may be x.
void affine_round(std::span<const float> x, const AffineGrid& grid, int bits, float* y);

}  // namespace gemma::kernels
