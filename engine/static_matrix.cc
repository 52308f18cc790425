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
  static_assert(sizeof(int32_t) == sizeof(float));
  return kernels::packed_bytes(channel_format(bits), bits, rows, cols) +
         3 * padded_rows(rows) * sizeof(float);
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
  Result<ActivationScales> activations = read_activation_scales(source, tensor.name);
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
  // Panels, which are whole lines; then scales, factors and zero sums, each of all rows of the panels.
  // Panels of a packed file stay where they are mapped.
  const kernels::MatrixView* mapped = keeps ? stored.panels(row0, rows) : nullptr;
  if (mapped != nullptr && mapped->format != view.format) mapped = nullptr;
  const size_t panel_bytes = mapped != nullptr ? 0 : kernels::packed_bytes(view.format, bits, rows, cols);
  const size_t padded = padded_rows(rows);
  Result<Buffer> allocated = Buffer::allocate(panel_bytes + 3 * padded * sizeof(float), tensor.name);
  if (!allocated) return fail(std::move(allocated.error()));
  const auto memory = std::make_shared<Buffer>(std::move(*allocated));
  std::byte* panels = memory->data();
  std::byte* numbers = panels + panel_bytes;
  float* scales = reinterpret_cast<float*>(numbers);
  float* factors = scales + padded;
  int32_t* zero_sums = reinterpret_cast<int32_t*>(numbers) + 2 * padded;
  std::fill_n(scales, 2 * padded, 0.0f);
  std::fill_n(zero_sums, padded, 0);

  // Without an input scale the kernels see floats; the factor then only scales the weights, and is not used.
  const float input = activations->input == 0 ? 1.0f : activations->input;
  Result<void> done = builder.over_rows(rows, cols, [&](size_t first, size_t n) -> Result<void> {
    StoredTensor::Scratch scratch;
    std::vector<int8_t> levels(n * cols);
    std::vector<float> values(keeps ? 0 : n * cols);
    Result<void> read = keeps ? stored.levels(row0 + first, n, scratch, levels.data(), scales + first)
                              : stored.floats(row0 + first, n, scratch, values.data());
    if (!read) return read;
    for (size_t r = 0; r < n && !keeps; ++r) {
      quantizer->quantize({values.data() + r * cols, cols}, levels.data() + r * cols, scales + first + r);
    }
    for (size_t r = 0; r < n; ++r) {
      const size_t row = first + r;
      factors[row] = kernels::output_factor(input, scales[row], activations->output);
      zero_sums[row] = kernels::zero_sum({levels.data() + r * cols, cols});
      // Rows of zeros have no scale but in a checkpoint that was trained with them.
      if ((scales[row] > 0 || (!own && scales[row] == 0)) && std::isfinite(factors[row])) continue;
      return fail(
          ErrorCode::kInvalidFile,
          tensor.file.empty() ? tensor.name : tensor.file + ": " + tensor.stored_name,
          fmt::format("expected scales above 0 whose product is a number, found {} in row {} (input {}, "
                      "output {})",
                      scales[row], row0 + row, activations->input, activations->output),
          "the file is damaged: fetch it again");
    }
    if (mapped == nullptr) {
      kernels::pack_rows(view.format, bits, rows, cols, first, n, levels.data(), nullptr, panels);
    }
    return {};
  });
  if (!done) return fail(std::move(done.error()));
  view.data = mapped != nullptr ? mapped->data : panels;
  view.scales = scales;
  view.statics = {factors, zero_sums, activations->output};
  InputFormat format;
  format.fake = scheme.fake;
  format.scale = activations->input;
  if (activations->input != 0) format.kind = kernels::ActivationKind::kInt8Static;
  return Matrix(view, format, memory);
}

}  // namespace gemma
