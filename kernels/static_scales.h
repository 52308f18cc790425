// Activations whose scale is known beforehand: the few float expressions of the mobile format, each written
// once. The kernels, the float32 twin (fake:mobile) and the tests all mean these.
//
//   in     level = clamp(rint(x / s_in), -128, 127), half to even
//   sum    acc = sum of weight level * activation level, exact in int32
//   out    level = clamp(rint(float(acc) * factor), -128, 127), factor = s_in * s_w / s_out;
//          value = level * s_out
//          s_out = 0: value = float(acc) * factor, factor = s_in * s_w
#pragma once

#include <algorithm>
#include <cmath>

namespace gemma::kernels {

inline constexpr float kLowestLevel = -128, kHighestLevel = 127;

// A whole number, clamped. NaN has level 0.
inline float static_level(float value) {
  const float level = std::nearbyint(value);
  return level == level ? std::clamp(level, kLowestLevel, kHighestLevel) : 0.0f;
}

// The level of an activation of scale `scale` > 0: by division, as the format defines it.
inline float activation_level(float x, float scale) {
  return static_level(x / scale);
}

// From the integer sum to the output's level, or to its value if the output has no scale (0). The product of
// two float32 is exact in float64. Not finite: the scales are no scales of a model; check when loading.
inline float output_factor(float input_scale, float weight_scale, float output_scale) {
  const double product = static_cast<double>(input_scale) * static_cast<double>(weight_scale);
  return static_cast<float>(output_scale != 0 ? product / static_cast<double>(output_scale) : product);
}

// The output of one row: float(acc), its factor, and the output's scale or 0.
inline float static_output(float acc, float factor, float output_scale) {
  const float value = acc * factor;
  return output_scale != 0 ? static_level(value) * output_scale : value;
}

}  // namespace gemma::kernels
