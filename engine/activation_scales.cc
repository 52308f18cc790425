#include "engine/activation_scales.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/stored_tensor.h"

namespace gemma {
namespace {

constexpr std::string_view kInput = ".input_activation_scale", kOutput = ".output_activation_scale";

// One number, 0 if the tensor is not there.
Result<float> read_scale(const TensorSource& source, const std::string& name, bool zero_is_none) {
  const TensorInfo* tensor = source.find(name);
  if (tensor == nullptr) return 0.0f;
  const std::string where = tensor->file.empty() ? name : tensor->file + ": " + tensor->stored_name;
  if (tensor->elements() != 1) {
    return fail(ErrorCode::kMismatch, where,
                fmt::format("expected one number, found [{}]", fmt::join(tensor->shape, ", ")));
  }
  Result<std::vector<float>> values = read_floats(source, *tensor);
  if (!values) return fail(std::move(values.error()));
  const float scale = values->front();
  if (std::isfinite(scale) && (scale > 0 || (zero_is_none && scale == 0))) return scale;
  return fail(ErrorCode::kInvalidFile, where,
              fmt::format("expected a finite scale {} 0, found {}", zero_is_none ? ">=" : ">", scale),
              "the file is damaged: fetch it again");
}

}  // namespace

Result<ActivationScales> read_activation_scales(const TensorSource& source, const std::string& matrix) {
  constexpr std::string_view kWeight = ".weight";
  std::string module = matrix;
  if (module.ends_with(kWeight)) module.resize(module.size() - kWeight.size());
  Result<float> input = read_scale(source, module + std::string(kInput), true);
  if (!input) return fail(std::move(input.error()));
  Result<float> output = read_scale(source, module + std::string(kOutput), true);
  if (!output) return fail(std::move(output.error()));
  return ActivationScales{*input, *output};
}

Result<KvScales> read_kv_scales(const TensorSource& source, size_t layer) {
  const std::string prefix = fmt::format("layers.{}.self_attn.", layer);
  Result<float> key = read_scale(source, prefix + "k_cache_scale", false);
  if (!key) return fail(std::move(key.error()));
  Result<float> value = read_scale(source, prefix + "v_cache_scale", false);
  if (!value) return fail(std::move(value.error()));
  return KvScales{*key, *value};
}

bool carries_static_scales(const TensorSource& source) {
  const std::span<const TensorInfo> tensors = source.tensors();
  return std::any_of(tensors.begin(), tensors.end(), [](const TensorInfo& tensor) {
    return tensor.encoding == Encoding::kGemma2 || tensor.encoding == Encoding::kGemma4 ||
           tensor.name.ends_with(kInput) || tensor.name.ends_with(kOutput);
  });
}

}  // namespace gemma
