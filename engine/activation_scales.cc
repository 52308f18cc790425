#include "engine/activation_scales.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/stored_tensor.h"

namespace gemma {
namespace {

constexpr std::string_view kWeight = ".weight";

// The module of a matrix; of a head that has no scales of its own, the embedding's that it is tied to.
std::string module_of(const TensorSource& source, std::string_view matrix) {
  if (matrix.ends_with(kWeight)) matrix.remove_suffix(kWeight.size());
  std::string module(matrix);
  if (module == "lm_head" && source.find(module + std::string(kInputScale)) == nullptr) return "embed_tokens";
  return module;
}

Failure damaged(const std::string& where, std::string what) {
  return fail(ErrorCode::kInvalidFile, where, std::move(what), "the file is damaged: fetch or make it again");
}

// Grid of the range that calibration found; `index`: of 4 bits, then of 8.
Result<kernels::AffineGrid> read_range(const TensorSource& source, const std::string& name, size_t index,
                                       int bits, const kernels::KernelTable& kernels) {
  const TensorInfo& tensor = *source.find(name);
  const std::string where = tensor.file.empty() ? name : tensor.file + ": " + tensor.stored_name;
  if (tensor.elements() != 4) {
    return fail(ErrorCode::kMismatch, where,
                fmt::format("expected two ranges, found [{}]", fmt::join(tensor.shape, ", ")));
  }
  Result<std::vector<float>> values = read_floats(source, tensor, kernels);
  if (!values) return fail(std::move(values.error()));
  const float low = (*values)[2 * index], high = (*values)[2 * index + 1];
  if (std::isfinite(low) && std::isfinite(high) && low <= 0 && high >= 0) {
    return kernels::affine_grid(low, high, bits);
  }
  return damaged(where, fmt::format("expected a finite range around 0, found {} to {}", low, high));
}

// One number, 0 if the tensor is not there.
Result<float> read_scale(const TensorSource& source, const std::string& name, bool zero_is_none,
                         const kernels::KernelTable& kernels) {
  const TensorInfo* tensor = source.find(name);
  if (tensor == nullptr) return 0.0f;
  const std::string where = tensor->file.empty() ? name : tensor->file + ": " + tensor->stored_name;
  if (tensor->elements() != 1) {
    return fail(ErrorCode::kMismatch, where,
                fmt::format("expected one number, found [{}]", fmt::join(tensor->shape, ", ")));
  }
  Result<std::vector<float>> values = read_floats(source, *tensor, kernels);
  if (!values) return fail(std::move(values.error()));
  const float scale = values->front();
  if (std::isfinite(scale) && (scale > 0 || (zero_is_none && scale == 0))) return scale;
  return fail(ErrorCode::kInvalidFile, where,
              fmt::format("expected a finite scale {} 0, found {}", zero_is_none ? ">=" : ">", scale),
              "the file is damaged: fetch it again");
}

}  // namespace

Result<ActivationScales> read_activation_scales(const TensorSource& source, const std::string& matrix,
                                                const kernels::KernelTable& kernels) {
  const std::string module = module_of(source, matrix);
  Result<float> input = read_scale(source, module + std::string(kInputScale), true, kernels);
  if (!input) return fail(std::move(input.error()));
  Result<float> output = read_scale(source, module + std::string(kOutputScale), true, kernels);
  if (!output) return fail(std::move(output.error()));
  return ActivationScales{*input, *output};
}

Result<KvScales> read_kv_scales(const TensorSource& source, size_t layer,
                                const kernels::KernelTable& kernels) {
  const std::string prefix = fmt::format("layers.{}.self_attn.", layer);
  Result<float> key = read_scale(source, prefix + "k_cache_scale", false, kernels);
  if (!key) return fail(std::move(key.error()));
  Result<float> value = read_scale(source, prefix + "v_cache_scale", false, kernels);
  if (!value) return fail(std::move(value.error()));
  return KvScales{*key, *value};
}

bool carries_static_scales(const TensorSource& source) {
  const std::span<const TensorInfo> tensors = source.tensors();
  return std::any_of(tensors.begin(), tensors.end(), [](const TensorInfo& tensor) {
    return tensor.encoding == Encoding::kGemma2 || tensor.encoding == Encoding::kGemma4 ||
           !calibrated_module(tensor.name).empty();
  });
}

bool trained_with_static_scales(const TensorSource& source) {
  const std::span<const TensorInfo> tensors = source.tensors();
  const bool levels = std::any_of(tensors.begin(), tensors.end(), [](const TensorInfo& tensor) {
    return tensor.encoding != Encoding::kPlain && tensor.encoding != Encoding::kPanels;
  });
  const bool calibrated = std::any_of(tensors.begin(), tensors.end(), [](const TensorInfo& tensor) {
    return tensor.name.ends_with(kInputRange);
  });
  // A folder can be packed for mobile from nothing else.
  const std::string_view packed_for = source.declared_scheme();
  const bool published = packed_for.empty() || packed_for.starts_with("mobile");
  return levels && !calibrated && published && carries_static_scales(source);
}

Result<void> check_static_scales(const Scheme& scheme, const TensorSource& source) {
  if (!scheme.needs_static_scales()) return {};
  const std::string where = "scheme " + to_string(scheme);
  const std::vector<ClassScheme> every = scheme.all();
  const bool of_the_file = std::any_of(every.begin(), every.end(), [](const ClassScheme& c) {
    return c.activation == ActivationLevels::kStatic && c.weight == WeightKind::kAsStored;
  });
  if (!carries_static_scales(source)) {
    return fail(
        ErrorCode::kUsage, where, "needs static activation scales, and this checkpoint carries none",
        of_the_file
            ? "take a scheme with dynamic activations, such as int8 or int4"
            : "find them on a text with gemma-quantize --calibrate FILE, or take a scheme with dynamic "
              "activations, such as int8 or int4");
  }
  if (of_the_file && !trained_with_static_scales(source)) {
    return fail(ErrorCode::kUsage, where,
                "needs a checkpoint that was trained with its levels and static scales, and this one's were "
                "calibrated",
                "take w8ca8s, w4ca8s or another scheme with s");
  }
  return {};
}

std::string_view calibrated_module(std::string_view name) {
  for (const std::string_view suffix : {kInputScale, kOutputScale, kInputScale4, kInputRange}) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  }
  return {};
}

Result<FakeRounding> read_input_rounding(const TensorSource& source, const std::string& matrix, int bits,
                                         bool zero_point, const kernels::KernelTable& kernels) {
  const std::string module = module_of(source, matrix);
  const std::string name = module + std::string(zero_point  ? kInputRange
                                                : bits == 4 ? kInputScale4
                                                            : kInputScale);
  FakeRounding rounding;
  if (source.find(name) == nullptr) {
    // Trained scales are those of 8 bits; a matrix without one stays float.
    if (bits == 8 && !zero_point) return rounding;
    return fail(ErrorCode::kUsage, name, "the checkpoint has no static scale of this kind",
                "find it on a text with gemma-quantize --calibrate FILE");
  }
  if (zero_point) {
    Result<kernels::AffineGrid> grid = read_range(source, name, bits == 4 ? 0 : 1, bits, kernels);
    if (!grid) return fail(std::move(grid.error()));
    rounding.grid = *grid;
    rounding.bits = grid->scale > 0 ? bits : 0;
    return rounding;
  }
  Result<float> scale = read_scale(source, name, true, kernels);
  if (!scale) return fail(std::move(scale.error()));
  return *scale > 0 ? FakeRounding::symmetric(bits, *scale) : rounding;
}

}  // namespace gemma
