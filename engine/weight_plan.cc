#include "engine/weight_plan.h"

#include <fmt/format.h>

#include "engine/matrix_builder.h"
#include "engine/static_matrix.h"
#include "engine/stored_tensor.h"
#include "kernels/pack.h"

namespace gemma {
namespace {

// Bytes of one matrix of the scheme: its levels or floats, and its scales where they lie beside them, each in
// whole cache lines.
uint64_t matrix_bytes(const ClassScheme& scheme, kernels::WeightFormat format, size_t rows, size_t cols) {
  constexpr uint64_t kLine = 64;
  const auto whole_lines = [](uint64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; };
  const bool levels = scheme.weight == WeightKind::kLevels && !scheme.fake;
  if (!levels) return whole_lines(uint64_t{rows} * cols * float_bytes(format));
  const uint64_t packed =
      whole_lines(kernels::packed_bytes(format, scheme.weight_bits, rows, cols, scheme.weight_group));
  const bool inside =
      format == kernels::WeightFormat::kInt4Group32 || format == kernels::WeightFormat::kInt8Group;
  if (inside) return packed;
  if (scheme.granularity == Granularity::kTensor) return packed + kLine;
  const size_t group = scheme.granularity == Granularity::kGroup ? scheme.weight_group : cols;
  const size_t padded = (rows + kernels::kPanelRows - 1) / kernels::kPanelRows * kernels::kPanelRows;
  return packed + whole_lines(uint64_t{padded} * (cols / group) * sizeof(float));
}

// A matrix between static scales (static_matrix.h): the file's own embedding is read where it lies.
void add_static(PlannedWeight& weight, const ClassScheme& scheme, const StoredTensor& stored, size_t experts,
                Placement placement) {
  const TensorInfo& tensor = stored.info();
  const bool own = is_static(scheme, stored);
  if (own && weight.tensor_class == TensorClass::kEmbed) return;
  const int bits = own ? stored.bits() : scheme.weight_bits;
  weight.blocks = weight.tensor_class == TensorClass::kExperts ? experts : 1;
  const size_t rows = tensor.rows() / weight.blocks;
  const kernels::MatrixView* panels = own || keeps_levels(scheme, stored) ? stored.panels(0, rows) : nullptr;
  const bool as_stored = panels != nullptr && panels->format == channel_format(bits);
  if (as_stored && placement == Placement::kMapped) {
    weight.mapped_bytes = tensor.bytes();
  } else {
    weight.copied = as_stored;
    weight.owned_bytes = weight.blocks * static_matrix_bytes(bits, rows, tensor.columns());
  }
}

}  // namespace

Result<void> check_layers(const ModelConfig& config, const Scheme& scheme) {
  if (scheme.layers.empty() || scheme.layers.rbegin()->first < config.layers.size()) return {};
  return fail(ErrorCode::kUsage, "scheme " + to_string(scheme),
              fmt::format("there is no layer {}: the model has layers 0 to {}", scheme.layers.rbegin()->first,
                          config.layers.size() - 1));
}

Result<std::vector<PlannedWeight>> plan_weights(const ModelConfig& config, const Scheme& scheme,
                                                const TensorSource& source, Placement placement,
                                                const kernels::KernelTable& kernels) {
  if (Result<void> there = check_layers(config, scheme); !there) return fail(std::move(there.error()));
  std::vector<PlannedWeight> weights;
  const auto add = [&](const PlannedTensor& planned, const TensorInfo& tensor,
                       TensorClass tensor_class) -> Result<void> {
    PlannedWeight weight{planned.name, tensor_class, layer_of(planned.name)};
    if (tensor_class == TensorClass::kFloat && planned.shape.size() < 2) {
      weight.owned_bytes = tensor.elements() * sizeof(float);
      weights.push_back(std::move(weight));
      return {};
    }
    Result<StoredTensor> stored = StoredTensor::open(source, tensor, kernels);
    if (!stored) return fail(std::move(stored.error()));
    const ClassScheme how = resolve(scheme.of(tensor_class, planned.name), *stored);
    weight.scheme = how;
    const kernels::WeightFormat format = target_format(how, stored->float_type());
    if (between_static_scales(how, *stored)) {
      add_static(weight, how, *stored, config.experts, placement);
      weights.push_back(std::move(weight));
      return {};
    }
    const bool panels = tensor.encoding == Encoding::kPanels && keeps_levels(how, *stored) && !how.fake;
    const bool floats = how.weight != WeightKind::kLevels && !stored->in_levels() &&
                        format == float_format(stored->float_type()) && !source.mapped(tensor).empty();
    if ((panels || floats) && placement == Placement::kMapped) {
      weight.mapped_bytes = tensor.bytes();
    } else {
      weight.copied = panels || floats;
      weight.blocks = tensor_class == TensorClass::kExperts ? config.experts : 1;
      weight.owned_bytes =
          weight.blocks * matrix_bytes(how, format, tensor.rows() / weight.blocks, tensor.columns());
    }
    weights.push_back(std::move(weight));
    return {};
  };
  const bool one_scheme = scheme.of(TensorClass::kEmbed) == scheme.of(TensorClass::kHead);
  for (const PlannedTensor& planned : plan_tensors(config)) {
    const TensorInfo* tensor = source.find(planned.name);
    if (tensor == nullptr || !planned.required || planned.tensor_class == TensorClass::kPle) continue;
    const bool tied = planned.tensor_class == TensorClass::kEmbed && config.tied;
    Result<void> added =
        add(planned, *tensor, tied && one_scheme ? TensorClass::kHead : planned.tensor_class);
    if (added && tied && !one_scheme) added = add(planned, *tensor, TensorClass::kHead);
    if (!added) return fail(std::move(added.error()));
  }
  return weights;
}

Result<Placement> fitting_placement(const ModelConfig& config, const Scheme& scheme,
                                    const TensorSource& source, const kernels::KernelTable& kernels) {
  Result<std::vector<PlannedWeight>> weights =
      plan_weights(config, scheme, source, Placement::kCopied, kernels);
  if (!weights) return fail(std::move(weights.error()));
  uint64_t copied = 0, owned = 0;
  for (const PlannedWeight& weight : *weights) {
    owned += weight.owned_bytes;
    if (weight.copied) copied += weight.owned_bytes;
  }
  return copied == 0 || owned <= available_memory_bytes() / 2 ? Placement::kCopied : Placement::kMapped;
}

}  // namespace gemma
