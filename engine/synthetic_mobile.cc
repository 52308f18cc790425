#include "engine/synthetic_mobile.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "engine/tensor_plan.h"
#include "kernels/stored_blocks.h"

namespace gemma {
namespace {

// Where a module's activations are clamped, about four and a half deviations of what comes in and goes out.
// The head's logits are not quantized: 256 levels would make many of 262144 equal.
struct Range {
  std::string_view module;
  float input, output;
};
constexpr Range kRanges[] = {
    {"q_proj", 6, 6},
    {"k_proj", 6, 6},
    {"v_proj", 6, 6},
    {"o_proj", 4, 5},
    {"gate_proj", 6, 6},
    {"up_proj", 6, 6},
    {"down_proj", 12, 4},
    {"gate_up_proj", 6, 6},
    {"per_layer_input_gate", 18, 18},  // the residual stream itself, of deviation 3 to 4
    {"per_layer_projection", 32, 14},
    {"lm_head", 40, 0},
};
constexpr float kKvRange = 6;

std::string module_of(std::string_view name) {
  constexpr std::string_view kWeight = ".weight";
  if (name.ends_with(kWeight)) name.remove_suffix(kWeight.size());
  return std::string(name);
}

Range range_of(std::string_view module) {
  const Range* found = std::find_if(std::begin(kRanges), std::end(kRanges), [&](const Range& range) {
    return module.ends_with(range.module) &&
           (module.size() == range.module.size() || module[module.size() - range.module.size() - 1] == '.');
  });
  return found == std::end(kRanges) ? Range{} : *found;
}

// Double-wide MLPs are what tells E2B from E4B here.
bool double_wide(const ModelConfig& config) {
  return config.layers.back().intermediate_size > config.layers.front().intermediate_size;
}

int bits_of(const PlannedTensor& planned, const ModelConfig& config) {
  switch (planned.tensor_class) {
    case TensorClass::kEmbed:
    case TensorClass::kHead:
      return 2;
    case TensorClass::kPle:
      return double_wide(config) ? 4 : 2;
    case TensorClass::kPleGate:
      return 8;
    case TensorClass::kMlp:
      return std::max(planned.shape[0], planned.shape[1]) > config.layers.front().intermediate_size ? 2 : 4;
    case TensorClass::kAttention:
    case TensorClass::kExperts:
      return 4;
    case TensorClass::kPleModel:
    case TensorClass::kFloat:
      break;
  }
  return 0;
}

Encoding encoding_of(int bits) {
  return bits == 2 ? Encoding::kGemma2 : bits == 4 ? Encoding::kGemma4 : Encoding::kGemma8;
}

// The step of a grid for values of that deviation. Two bits trade the tails for the middle; the others reach
// every value there is.
float step_of(int bits, double deviation) {
  constexpr double kPeak = double{kUnitPeak} / kUnitDeviation;
  const double step = bits == 2 ? 1.0 : bits == 4 ? kPeak / 7.5 : kPeak / 127;
  return static_cast<float>(deviation * step);
}

// Scales of neighbouring rows and groups differ, so that nobody can mix them up unnoticed.
float scale_at(float middle, size_t row, size_t group) {
  return middle * (1 + 0.03125f * static_cast<float>(static_cast<int>((row + group) % 5) - 2));
}

}  // namespace

ModelConfig mobile_config(ModelConfig config) {
  config.tied = false;
  config.quantization.method = "gemma";
  return config;
}

SyntheticMobileSource::SyntheticMobileSource(const ModelConfig& config, uint64_t seed)
    : values_(config, seed) {
  std::map<std::string, std::pair<TensorInfo, Origin>> all;
  const auto add = [&](std::string name, std::vector<size_t> shape, const Origin& origin) {
    TensorInfo info;
    info.name = info.stored_name = name;
    info.shape = std::move(shape);
    info.dtype = Dtype::kF32;
    all.emplace(std::move(name), std::pair(std::move(info), origin));
  };
  const auto number = [&](const std::string& name, float range) {
    add(name, {}, {Origin::Kind::kNumber, 0, 0, range / 127});
  };
  for (const TensorInfo& info : values_.tensors()) all.emplace(info.name, std::pair(info, Origin{}));
  for (const PlannedTensor& planned : plan_tensors(config)) {
    const int bits = bits_of(planned, config);
    const auto found = all.find(planned.name);
    if (bits == 0 || found == all.end()) continue;
    TensorInfo& info = found->second.first;
    Origin& origin = found->second.second;
    const bool table = planned.tensor_class == TensorClass::kPle;
    info.encoding = encoding_of(bits);
    info.dtype = bits == 8 ? Dtype::kI8 : Dtype::kU8;
    origin.kind = Origin::Kind::kLevels;
    origin.bits = bits;
    origin.group = table ? config.ple_width : info.columns();
    origin.number = step_of(bits, 1 / std::sqrt(static_cast<double>(origin.group)));
    add(planned.name + "_scale", {info.rows(), info.columns() / origin.group},
        {Origin::Kind::kScales, 0, 0, origin.number});
    if (table || planned.tensor_class == TensorClass::kEmbed) continue;
    const std::string module = module_of(planned.name);
    number(module + ".input_activation_scale", range_of(module).input);
    number(module + ".output_activation_scale", range_of(module).output);
  }
  for (size_t i = 0; i < config.layers.size(); ++i) {
    for (const char* side : {"k", "v"})
      number(fmt::format("layers.{}.self_attn.{}_cache_scale", i, side), kKvRange);
  }
  for (auto& [name, tensor] : all) {
    tensors_.push_back(std::move(tensor.first));
    origins_.push_back(tensor.second);
  }
}

Result<void> SyntheticMobileSource::read_levels(const TensorInfo& tensor, const Origin& origin, size_t row,
                                                std::span<std::byte> out) const {
  const size_t columns = std::min(tensor.columns(), out.size() * 8 / static_cast<size_t>(origin.bits));
  // A decoded token reads rows of tables: buffers that stay keep the heap out of it.
  thread_local std::vector<uint16_t> halves;
  thread_local std::vector<int8_t> levels;
  halves.resize(columns);
  levels.resize(columns);
  const float highest = static_cast<float>((1 << (origin.bits - 1)) - 1), lowest = -highest - 1;
  const TensorInfo* values = values_.find(tensor.name);
  Result<void> read = values_.read_row_start(*values, row, std::as_writable_bytes(std::span(halves)));
  if (!read) return read;
  for (size_t first = 0; first < columns; first += origin.group) {
    const float inverse = 1 / scale_at(origin.number, row, first / origin.group);
    for (size_t c = first; c < std::min(first + origin.group, columns); ++c) {
      const float value = std::bit_cast<float>(uint32_t{halves[c]} << 16) * inverse;
      levels[c] = static_cast<int8_t>(std::min(std::max(std::nearbyint(value), lowest), highest));
    }
  }
  if (origin.bits == 8) {
    std::memcpy(out.data(), levels.data(), columns);
  } else {
    kernels::encode_offset_levels(levels.data(), columns, origin.bits, out.data());
  }
  return {};
}

Result<void> SyntheticMobileSource::read(const TensorInfo& own, size_t row, std::span<std::byte> out) const {
  const Origin& origin = origins_[static_cast<size_t>(&own - tensors_.data())];
  if (origin.kind == Origin::Kind::kValues) return values_.read_row_start(*values_.find(own.name), row, out);
  if (origin.kind == Origin::Kind::kLevels) return read_levels(own, origin, row, out);
  for (size_t at = 0, group = 0; at < out.size(); at += sizeof(float), ++group) {
    const float value =
        origin.kind == Origin::Kind::kNumber ? origin.number : scale_at(origin.number, row, group);
    std::memcpy(out.data() + at, &value, std::min(sizeof(value), out.size() - at));
  }
  return {};
}

Result<void> SyntheticMobileSource::read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                                              std::span<std::byte> out) const {
  const TensorInfo* own = find(tensor.name);
  if (own == nullptr) {
    return fail(ErrorCode::kInternal, tensor.name, "no tensor of this synthetic checkpoint");
  }
  const size_t row_bytes = own->row_bytes();
  if (row0 > row1 || row1 > own->rows() || out.size() != (row1 - row0) * row_bytes) {
    return fail(ErrorCode::kInternal, own->name,
                fmt::format("rows {} to {} of {} into {} bytes, expected {} bytes a row", row0, row1,
                            own->rows(), out.size(), row_bytes));
  }
  Result<void> done;
  for (size_t row = row0; row < row1 && done; ++row) {
    done = read(*own, row, out.subspan((row - row0) * row_bytes, row_bytes));
  }
  return done;
}

Result<void> SyntheticMobileSource::read_row_start(const TensorInfo& tensor, size_t row,
                                                   std::span<std::byte> out) const {
  const TensorInfo* own = find(tensor.name);
  if (own == nullptr || row >= own->rows() || out.size() > own->row_bytes()) {
    return fail(ErrorCode::kInternal, tensor.name,
                fmt::format("no row {} with {} bytes in this synthetic checkpoint", row, out.size()));
  }
  return read(*own, row, out);
}

std::span<const std::byte> SyntheticMobileSource::mapped(const TensorInfo&) const {
  return {};
}

}  // namespace gemma
