// The static scales that a checkpoint keeps beside a matrix: of its inputs, of its outputs, and of the int8
// KV cache that the mobile format's own runtime has. A mobile checkpoint was trained with them; any other
// gets them by calibration (engine/calibration.h), which adds the last two of these names:
//
//   X.input_activation_scale        (1)     s of q = clamp(rint(x / s), -128, 127); 0: none
//   X.output_activation_scale       (1)     the same of the outputs
//   X.input_activation_scale_4bit   (1)     s of q = clamp(rint(x / s), -8, 7); 0: none
//   X.input_activation_range        (2, 2)  lowest and highest value for levels with a zero point, of 4 bits,
//                                           then of 8
#pragma once

#include <string>
#include <string_view>

#include "engine/fake_rounding.h"
#include "engine/scheme.h"
#include "kernels/kernel_table.h"
#include "loader/tensor_source.h"

namespace gemma {

inline constexpr std::string_view kInputScale = ".input_activation_scale";
inline constexpr std::string_view kOutputScale = ".output_activation_scale";
inline constexpr std::string_view kInputScale4 = ".input_activation_scale_4bit";
inline constexpr std::string_view kInputRange = ".input_activation_range";

// The matrix X that a tensor of one of these names goes with, else empty.
std::string_view calibrated_module(std::string_view name);

// 0: none, the activations stay float.
struct ActivationScales {
  float input = 0;
  float output = 0;
};

// X.input_activation_scale and X.output_activation_scale of the matrix X or X.weight; an absent one is 0.
// kMismatch for more than one number, kInvalidFile for a scale that is no finite number >= 0.
Result<ActivationScales> read_activation_scales(const TensorSource& source, const std::string& matrix,
                                                const kernels::KernelTable& kernels);

// How a static scheme of so many bits rounds the inputs of a matrix; nothing is rounded where its scale is 0.
// A head tied to the embedding has the scales of either name. kUsage if the checkpoint has none of that kind.
Result<FakeRounding> read_input_rounding(const TensorSource& source, const std::string& matrix, int bits,
                                         bool zero_point, const kernels::KernelTable& kernels);

// Scales of a layer's int8 keys and values, 0 where there is none. Reported, not applied: the reference
// implementation does not apply them either, and the cache here is no int8 one.
struct KvScales {
  float key = 0;
  float value = 0;
};

// layers.N.self_attn.k_cache_scale and v_cache_scale. kInvalidFile for one that is not finite and > 0.
Result<KvScales> read_kv_scales(const TensorSource& source, size_t layer,
                                const kernels::KernelTable& kernels);

// Whether the checkpoint has static scales, or stores levels in the mobile format.
bool carries_static_scales(const TensorSource& source);
// Whether it was trained with them, as mobile checkpoints are: it stores its levels in a published format,
// and calibration has left no ranges.
bool trained_with_static_scales(const TensorSource& source);

// kUsage if a scheme wants static scales that the checkpoint does not have, or trained ones where they are
// not.
Result<void> check_static_scales(const Scheme& scheme, const TensorSource& source);

}  // namespace gemma
