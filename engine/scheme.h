// One word says how a model is computed: "int4", "fake:w4g32", "int8,head=bf16", "int4,layers.0=int8".
//
//   scheme   := base { "," part "=" base }
//   part     := class | "layers." N: all matrices of one layer, whatever their classes say
//   base     := name | [ "fake:" ] name | [ "fake:" ] "w" bits weights ["z"] [ "a" bits [ inputs ] ["z"] ]
//   name     := f32 | bf16 | int8 | int4 | int4-channel | w8a4 | mobile | stored
//   bits     := 2 | 3 | 4 | 8 (weights), 4 | 8 (activations)
//   weights  := "t" per tensor | "c" per output channel | "g" N per group of N columns
//   inputs   := nothing: per token | "g" N per group, 8 or more | "s" static scales of the checkpoint
//   z        := levels with a zero point (kernels/affine.h) instead of symmetric ones
//   class    := embed | ple | head | attn | mlp | experts | ple_gate | ple_model
//
// int8 = w8ca8, int4 = w4g32a8g32, int4-channel = w4ca8, w8a4 = w8ca4: these run in integers. `fake:`
// computes the same function in float32: quantize, dequantize, multiply. A spelled form without `a` keeps
// packed levels and multiplies in float; with `a` and without `fake:` it must be one of the named ones,
// w8g32a8g32 or w8g16a8g32, which hold what GGUF stores as Q8_0 and Q6_K, or w2ca8s, w4ca8s or w8ca8s, which
// the kernels of the mobile format compute. Zero points need `fake:`.
// mobile: levels, bits and static scales as the checkpoint says.
// stored: each matrix in the arithmetic that fits how the file stores it, so that no level changes: 4 bits in
// groups of 32 as int4, 8 or 6 bits in groups of 32 or 16 as w8g32a8g32 or w8g16a8g32, 4 or 8 bits per
// channel as int4-channel or int8, other levels times float, floats as they are.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernel_table.h"
#include "loader/result.h"

namespace gemma {

// What a tensor is to a scheme. kFloat: norms, router, layer scalars; never quantized.
enum class TensorClass { kEmbed, kPle, kHead, kAttention, kMlp, kExperts, kPleGate, kPleModel, kFloat };
inline constexpr size_t kTensorClasses = 9;
std::string_view to_string(TensorClass tensor_class);  // "embed", "ple", "head", "attn", ...

enum class WeightKind { kF32, kBf16, kLevels, kAsStored };
enum class Granularity { kTensor, kChannel, kGroup };
enum class ActivationLevels { kNone, kToken, kGroup, kStatic };

// How the matrices of one class are stored and multiplied.
struct ClassScheme {
  bool fake = false;     // levels are turned back into float32 before the multiplication
  bool integer = false;  // levels times levels in integers; neither: levels times float
  WeightKind weight = WeightKind::kF32;
  int weight_bits = 0;  // of kLevels
  Granularity granularity = Granularity::kTensor;
  size_t weight_group = 0;
  bool weight_zero_point = false;
  ActivationLevels activation = ActivationLevels::kNone;
  int activation_bits = 0;
  size_t activation_group = 0;
  bool activation_zero_point = false;
  bool operator==(const ClassScheme&) const = default;
};

// Symmetric levels per channel between static scales of 8 bits, as the kernels of the mobile format multiply
// them; their fake computes the same sums in float32.
bool has_static_kernel(const ClassScheme& scheme);

// The shortest spelling: "int4" for w4g32a8g32, "fake:int4" for its fake.
std::string to_string(const ClassScheme& scheme);

struct Scheme {
  ClassScheme base;
  std::array<ClassScheme, kTensorClasses> classes;  // kFloat: always f32
  std::map<size_t, ClassScheme> layers;             // of single layers, whatever the class says

  // Of the matrices of a class that belong to no layer: embed, ple, head, ple_model.
  const ClassScheme& of(TensorClass tensor_class) const { return classes[static_cast<size_t>(tensor_class)]; }
  // Of a tensor by its canonical name: the layer's scheme if it has one of its own, else the class's.
  const ClassScheme& of(TensorClass tensor_class, std::string_view tensor) const;
  // Every one that some matrix may have.
  std::vector<ClassScheme> all() const;
  // f32 under f32 and fake schemes, where the answer should be the definition's; else f16.
  kernels::KvType default_kv_type() const;
  bool needs_static_scales() const;
};

// The layer that a tensor of this canonical name belongs to: "layers.12.mlp.up_proj.weight" -> 12.
std::optional<size_t> layer_of(std::string_view tensor);

// Canonical: to_string(*parse_scheme(word)) parses to the same scheme.
std::string to_string(const Scheme& scheme);

// kUsage naming what was not understood, the nearest known word and the forms there are.
Result<Scheme> parse_scheme(std::string_view word);

}  // namespace gemma
