#include "engine/static_matrix.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "kernels/pack.h"
#include "kernels/static_scales.h"

namespace gemma {

using kernels::WeightFormat;

namespace {

size_t padded_rows(size_t rows) {
  return (rows + kernels::kPanelRows - 1) / kernels::kPanelRows * kernels::kPanelRows;
}

std::string place_of(const TensorInfo& tensor) {
  return tensor.file.empty() ? tensor.name : tensor.file + ": " + tensor.stored_name;
}

Failure damaged(const TensorInfo& tensor, std::string what) {
  return fail(ErrorCode::kInvalidFile, place_of(tensor), std::move(what),
              "the file is damaged: fetch it again");
}

}  // namespace

bool is_static(const ClassScheme& scheme, const StoredTensor& stored) {
  return scheme.weight == WeightKind::kAsStored && scheme.activation == ActivationLevels::kStatic &&
         stored.in_levels();
}

bool between_static_scales(const ClassScheme& scheme, const StoredTensor& stored) {
  return is_static(scheme, stored) || has_static_kernel(scheme);
}

WeightFormat channel_format(int bits) {
  return bits == 2   ? WeightFormat::kInt2Channel
         : bits == 4 ? WeightFormat::kInt4Channel
                     : WeightFormat::kInt8Channel;
}

size_t static_matrix_bytes(int bits, size_t rows, size_t cols) {
  return kernels::packed_bytes(channel_format(bits), bits, rows, cols) +
         2 * padded_rows(rows) * sizeof(float);
}

Result<Matrix> static_matrix(const TensorSource& source, const StoredTensor& stored,
                             const ClassScheme& scheme, size_t row0, size_t rows, MatrixBuilder& builder) {
  const TensorInfo& tensor = stored.info();
  const size_t cols = tensor.columns();
  const bool own = is_static(scheme, stored);
  const bool keeps = own || keeps_levels(scheme, stored);
  const int bits = own ? stored.bits() : scheme.weight_bits;
  if (own && (stored.group() != cols || (bits != 2 && bits != 4 && bits != 8))) {
    return fail(
        ErrorCode::kUsage, tensor.name,
        fmt::format("scheme {} expects levels of 2, 4 or 8 bits with one scale per row, found {} bits in "
                    "groups of {}",
                    to_string(scheme), bits, stored.group()),
        "take scheme stored, which keeps what the file holds");
  }
  Result<ActivationScales> activations = read_activation_scales(source, tensor.name, stored.kernels());
  if (!activations) return fail(std::move(activations.error()));
  Result<WeightQuantizer> quantizer = WeightQuantizer();
  if (!keeps) quantizer = builder.quantizer(stored, scheme, cols);
  if (!quantizer) return fail(std::move(quantizer.error()));

  kernels::MatrixView view;
  view.format = channel_format(bits);
  view.bits = static_cast<uint8_t>(bits);
  view.rows = rows;
  view.cols = cols;
  view.group = cols;
  // Panels of a packed file stay where they are mapped, and so do its scales.
  const kernels::MatrixView* mapped = keeps ? stored.panels(row0, rows) : nullptr;
  if (mapped != nullptr && mapped->format != view.format) mapped = nullptr;
  // Panels, which are whole lines; then factors and scales, each of all rows of the panels.
  const bool stays = mapped != nullptr && builder.placement() == Placement::kMapped;
  const size_t panel_bytes = stays ? 0 : kernels::packed_bytes(view.format, bits, rows, cols);
  const size_t padded = padded_rows(rows);
  Result<std::shared_ptr<Buffer>> taken =
      builder.memory().take(panel_bytes + (stays ? 1 : 2) * padded * sizeof(float), tensor.name);
  if (!taken) return fail(std::move(taken.error()));
  const std::shared_ptr<Buffer>& memory = *taken;
  std::byte* panels = memory->data();
  if (mapped != nullptr && !stays) {
    Result<void> read = builder.copy(tensor, mapped->data, {panels, panel_bytes});
    if (!read) return fail(std::move(read.error()));
  }
  float* factors = reinterpret_cast<float*>(panels + panel_bytes);
  std::fill_n(factors, padded, 0.0f);

  // Without an input scale the kernels see floats; the factor then only scales the weights, and is not used.
  const float input = activations->input == 0 ? 1.0f : activations->input;
  const auto set_factor = [&](size_t row, float scale) -> Result<void> {
    factors[row] = kernels::output_factor(input, scale, activations->output);
    // A row of scale 0 is a row of zeros, whatever its levels.
    if (scale >= 0 && std::isfinite(factors[row])) return {};
    return damaged(tensor,
                   fmt::format("expected scales of at least 0 whose product is a number, found {} in row "
                               "{} (input {}, output {})",
                               scale, row0 + row, activations->input, activations->output));
  };
  if (mapped != nullptr) {
    for (size_t row = 0; row < rows; ++row) {
      if (Result<void> set = set_factor(row, mapped->scales[row]); !set) return fail(std::move(set.error()));
    }
  }
  float* scales = factors + padded;
  if (mapped != nullptr && !stays) std::copy_n(mapped->scales, padded, scales);
  if (mapped == nullptr) {
    std::fill_n(scales, padded, 0.0f);
    Result<void> done = over_rows(builder.team(), rows, cols, [&](size_t first, size_t n) -> Result<void> {
      StoredTensor::Scratch scratch;
      std::vector<int8_t> levels(n * cols);
      std::vector<float> values(keeps ? 0 : n * cols);
      Result<void> read = keeps ? stored.levels(row0 + first, n, scratch, levels.data(), scales + first)
                                : stored.floats(row0 + first, n, scratch, values.data());
      for (size_t r = 0; r < n && read; ++r) {
        if (!keeps) {
          quantizer->quantize(stored.kernels(), {values.data() + r * cols, cols}, levels.data() + r * cols,
                              scales + first + r);
        }
        read = set_factor(first + r, scales[first + r]);
      }
      if (read) kernels::pack_rows(view.format, bits, rows, cols, first, n, levels.data(), nullptr, panels);
      return read;
    });
    if (!done) return fail(std::move(done.error()));
  }
  view.scales = stays ? mapped->scales : scales;
  view.data = stays ? mapped->data : panels;
  view.statics.factors = factors;
  view.statics.output = activations->output;
  InputFormat format;
  format.fake = scheme.fake;
  format.scale = activations->input;
  if (activations->input != 0) format.kind = kernels::ActivationKind::kInt8Static;
  return Matrix(view, format, memory);
}

}  // namespace gemma
