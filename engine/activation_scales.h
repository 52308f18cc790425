// The static scales that a mobile checkpoint keeps beside a matrix: of its inputs, of its outputs, and of the
// int8 KV cache that its makers' runtime has.
#pragma once

#include <string>

#include "loader/tensor_source.h"

namespace gemma {

// 0: none, the activations stay float.
struct ActivationScales {
  float input = 0;
  float output = 0;
};

// X.input_activation_scale and X.output_activation_scale of the matrix X or X.weight; an absent one is 0.
// kMismatch for more than one number, kInvalidFile for a scale that is no finite number >= 0.
Result<ActivationScales> read_activation_scales(const TensorSource& source, const std::string& matrix);

// Scales of a layer's int8 keys and values, 0 where there is none. Reported, not applied: the reference
// implementation does not apply them either, and the cache here is no int8 one.
struct KvScales {
  float key = 0;
  float value = 0;
};

// layers.N.self_attn.k_cache_scale and v_cache_scale. kInvalidFile for one that is not finite and > 0.
Result<KvScales> read_kv_scales(const TensorSource& source, size_t layer);

// Whether the checkpoint was made for static scales: it has some, or stores levels in the mobile format.
bool carries_static_scales(const TensorSource& source);

}  // namespace gemma
