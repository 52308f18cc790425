#include "engine/matrix_builder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "kernels/kernel_table.h"
#include "kernels/pack.h"
#include "kernels/quantize.h"

namespace gemma {

using kernels::MatrixView;
using kernels::WeightFormat;

namespace {

size_t rows_per_step(size_t cols) {
  const size_t rows = std::max<size_t>(1, kElementsPerStep / std::max<size_t>(cols, 1));
  return (rows + kernels::kPanelRows - 1) / kernels::kPanelRows * kernels::kPanelRows;
}

InputFormat input_format(const ClassScheme& scheme) {
  using kernels::ActivationKind;
  InputFormat input;
  if (scheme.activation == ActivationLevels::kNone) return input;
  const bool four = scheme.activation_bits == 4;
  input.fake = scheme.fake;
  if (scheme.activation == ActivationLevels::kGroup) {
    input.kind = four ? ActivationKind::kInt4Group : ActivationKind::kInt8Group;
    input.group = scheme.activation_group;
  } else {
    input.kind = four ? ActivationKind::kInt4Token : ActivationKind::kInt8Token;
  }
  return input;
}

}  // namespace

WeightFormat float_format(Dtype dtype) {
  switch (dtype) {
    case Dtype::kBf16:
      return WeightFormat::kBf16;
    case Dtype::kF16:
      return WeightFormat::kF16;
    default:
      return WeightFormat::kF32;
  }
}

size_t float_bytes(WeightFormat format) {
  return format == WeightFormat::kF32 ? 4 : 2;
}

WeightFormat target_format(const ClassScheme& scheme, Dtype stored) {
  if (scheme.weight == WeightKind::kF32) return float_format(stored);  // every stored float is a float32
  if (scheme.weight == WeightKind::kBf16) return WeightFormat::kBf16;
  if (scheme.fake) return WeightFormat::kF32;
  if (!scheme.integer) return WeightFormat::kLevels;
  if (scheme.weight_bits == 8) return WeightFormat::kInt8Channel;
  return scheme.granularity == Granularity::kGroup ? WeightFormat::kInt4Group32 : WeightFormat::kInt4Channel;
}

ClassScheme resolve(const ClassScheme& scheme, const StoredTensor& stored) {
  if (scheme.weight != WeightKind::kAsStored || scheme.activation != ActivationLevels::kNone) return scheme;
  ClassScheme found;
  if (!stored.in_levels()) {
    found.weight = stored.info().dtype == Dtype::kBf16 ? WeightKind::kBf16 : WeightKind::kF32;
    return found;
  }
  const bool channel = stored.group() == stored.info().columns();
  found.weight = WeightKind::kLevels;
  found.weight_bits = stored.bits() == 6 ? 8 : stored.bits();
  found.granularity = channel ? Granularity::kChannel : Granularity::kGroup;
  found.weight_group = channel ? 0 : stored.group();
  const bool four = stored.bits() == 4 && stored.group() == kernels::kGroup;
  if (!four && !(channel && (stored.bits() == 4 || stored.bits() == 8))) return found;
  found.integer = true;
  found.activation = four ? ActivationLevels::kGroup : ActivationLevels::kToken;
  found.activation_bits = 8;
  found.activation_group = four ? kernels::kGroup : 0;
  return found;
}

bool keeps_levels(const ClassScheme& scheme, const StoredTensor& stored) {
  if (!stored.in_levels() || scheme.weight != WeightKind::kLevels) return false;
  // Fewer bits fit into more, but what a tensor of 4 bits means under int8 is int8's business to say.
  const bool bits = stored.bits() == scheme.weight_bits || (stored.bits() == 6 && scheme.weight_bits == 8);
  switch (scheme.granularity) {
    case Granularity::kTensor:
      return false;
    case Granularity::kChannel:
      return bits && stored.group() == stored.info().columns();
    case Granularity::kGroup:
      return bits && stored.group() == scheme.weight_group;
  }
  return false;
}

Result<void> MatrixBuilder::over_rows(
    size_t rows, size_t cols, const std::function<Result<void>(size_t row0, size_t rows)>& step) const {
  const size_t stride = rows_per_step(cols);
  const size_t steps = (rows + stride - 1) / stride;
  std::vector<Result<void>> outcomes(team_.size());
  team_.parallel_for(steps, 1, [&](size_t begin, size_t end, size_t thread) {
    for (size_t s = begin; s < end && outcomes[thread]; ++s) {
      outcomes[thread] = step(s * stride, std::min(stride, rows - s * stride));
    }
  });
  for (Result<void>& outcome : outcomes) {
    if (!outcome) return std::move(outcome);
  }
  return {};
}

Result<float> MatrixBuilder::tensor_absmax(const StoredTensor& tensor) const {
  const size_t all_rows = tensor.info().rows(), columns = tensor.info().columns();
  std::vector<float> largest(all_rows, 0.0f);
  Result<void> read = over_rows(all_rows, columns, [&](size_t row0, size_t rows) -> Result<void> {
    StoredTensor::Scratch scratch;
    std::vector<float> values(rows * columns);
    Result<void> ok = tensor.floats(row0, rows, scratch, values.data());
    if (!ok) return ok;
    for (float value : values) largest[row0] = std::max(largest[row0], std::fabs(value));
    return {};
  });
  if (!read) return fail(std::move(read.error()));
  return *std::max_element(largest.begin(), largest.end());
}

Result<WeightQuantizer> MatrixBuilder::quantizer(const StoredTensor& tensor, const ClassScheme& scheme,
                                                 size_t cols) {
  if (scheme.weight != WeightKind::kLevels) return WeightQuantizer();
  const std::string key = tensor.info().name + " " + to_string(scheme);
  const auto known = quantizers_.find(key);
  if (known != quantizers_.end()) return known->second;
  WeightQuantizer made;
  switch (scheme.granularity) {
    case Granularity::kTensor: {
      Result<float> absmax = tensor_absmax(tensor);
      if (!absmax) return fail(std::move(absmax.error()));
      made = WeightQuantizer::per_tensor(scheme.weight_bits,
                                         kernels::symmetric_scale(*absmax, scheme.weight_bits));
      break;
    }
    case Granularity::kChannel:
      made = WeightQuantizer::per_group(scheme.weight_bits, cols);
      break;
    case Granularity::kGroup:
      if (scheme.weight_bits == 4 && scheme.weight_group == kernels::kGroup) {
        Result<bool> grid = on_grid(tensor);
        if (!grid) return fail(std::move(grid.error()));
        made = WeightQuantizer::q4_0(*grid);
      } else {
        made = WeightQuantizer::per_group(scheme.weight_bits, scheme.weight_group);
      }
  }
  return quantizers_.emplace(key, made).first->second;
}

TensorReport& MatrixBuilder::report(const TensorInfo& tensor, TensorClass tensor_class,
                                    const ClassScheme& scheme) {
  if (reports_.empty() || reports_.back().name != tensor.name) {
    TensorReport fresh;
    fresh.name = tensor.name;
    fresh.tensor_class = tensor_class;
    fresh.scheme = to_string(scheme);
    reports_.push_back(fresh);
  }
  return reports_.back();
}

// The file is the matrix: floats stored as wanted, or panels.
Result<Matrix> MatrixBuilder::mapped_matrix(const StoredTensor& stored, const ClassScheme& scheme,
                                            size_t row0, size_t rows) {
  const TensorInfo& tensor = stored.info();
  const std::span<const std::byte> mapped = source_.mapped(tensor);
  if (mapped.empty()) return Matrix();
  MatrixView view;
  view.format = target_format(scheme, stored.float_type());
  if (const MatrixView* panels = stored.panels(row0, rows); panels != nullptr) {
    if (scheme.fake || !keeps_levels(scheme, stored) || panels->format != view.format) return Matrix();
    return Matrix(*panels, input_format(scheme), {}, {});
  }
  if (scheme.weight == WeightKind::kLevels || stored.in_levels() ||
      view.format != float_format(tensor.dtype) ||
      reinterpret_cast<uintptr_t>(mapped.data()) % float_bytes(view.format) != 0) {
    return Matrix();
  }
  view.bits = static_cast<uint8_t>(8 * float_bytes(view.format));
  view.rows = rows;
  view.cols = tensor.columns();
  view.data = mapped.data() + row0 * tensor.row_bytes();
  return Matrix(view, input_format(scheme), {}, {});
}

Result<Matrix> MatrixBuilder::matrix(const TensorInfo& tensor, TensorClass tensor_class, size_t row0,
                                     size_t rows) {
  Result<StoredTensor> opened = StoredTensor::open(source_, tensor);
  if (!opened) return fail(std::move(opened.error()));
  const StoredTensor& stored = *opened;
  const ClassScheme scheme = resolve(scheme_.of(tensor_class), stored);
  const size_t cols = tensor.columns();
  const bool keeps = keeps_levels(scheme, stored);
  TensorReport& told = report(tensor, tensor_class, scheme);
  told.elements += uint64_t{rows} * cols;
  told.kept = keeps;

  Result<Matrix> mapped = mapped_matrix(stored, scheme, row0, rows);
  if (!mapped || !mapped->empty()) {
    if (mapped) told.mapped_bytes += tensor.bytes() / tensor.rows() * rows;
    count(uint64_t{rows} * cols);
    return mapped;
  }

  MatrixView view;
  view.format = target_format(scheme, stored.float_type());
  view.rows = rows;
  view.cols = cols;
  const bool floats = scheme.weight != WeightKind::kLevels;
  view.bits = static_cast<uint8_t>(view.format == WeightFormat::kF32 ? 32 : floats ? 16 : scheme.weight_bits);
  Result<WeightQuantizer> quantizer = keeps ? WeightQuantizer::per_group(scheme.weight_bits, stored.group())
                                            : this->quantizer(stored, scheme, cols);
  if (!quantizer) return fail(std::move(quantizer.error()));
  told.on_grid = quantizer->on_grid();

  const bool unquantized = floats || scheme.fake;
  const size_t bytes = unquantized ? rows * cols * float_bytes(view.format)
                                   : kernels::packed_bytes(view.format, view.bits, rows, cols);
  Result<Buffer> data = Buffer::allocate(bytes, tensor.name);
  if (!data) return fail(std::move(data.error()));
  const size_t groups = floats ? 0 : quantizer->groups_per_row(cols);
  view.group = quantizer->is_per_tensor() ? 0 : groups == 0 ? 0 : cols / groups;
  const bool scales_inside = view.format == WeightFormat::kInt4Group32;
  const size_t padded = (rows + kernels::kPanelRows - 1) / kernels::kPanelRows * kernels::kPanelRows;
  const size_t scale_count = unquantized || scales_inside ? 0
                             : quantizer->is_per_tensor() ? 1
                                                          : padded * groups;
  Result<Buffer> scales = Buffer::allocate(scale_count * sizeof(float), tensor.name);
  if (!scales) return fail(std::move(scales.error()));

  std::atomic<uint64_t> off_grid{0};
  std::byte* out = data->data();
  float* out_scales = scales->as<float>();
  Result<void> done = over_rows(rows, cols, [&](size_t first, size_t n) -> Result<void> {
    StoredTensor::Scratch scratch;
    std::vector<int8_t> levels(floats ? 0 : n * cols);
    std::vector<float> row_scales(n * groups);
    std::vector<float> values(keeps ? 0 : n * cols);
    Result<void> read = keeps ? stored.levels(row0 + first, n, scratch, levels.data(), row_scales.data())
                              : stored.floats(row0 + first, n, scratch, values.data());
    if (!read) return read;
    if (view.format == WeightFormat::kBf16) {
      uint16_t* to = reinterpret_cast<uint16_t*>(out) + first * cols;
      std::transform(values.begin(), values.end(), to, kernels::to_bf16);
      return {};
    }
    if (view.format == WeightFormat::kF16) {
      std::memcpy(out + first * tensor.row_bytes(), scratch.raw.data(), scratch.raw.size());
      return {};
    }
    if (floats) {
      std::memcpy(out + first * cols * sizeof(float), values.data(), n * cols * sizeof(float));
      return {};
    }
    for (size_t r = 0; r < n && !keeps; ++r) {
      off_grid += quantizer->quantize({values.data() + r * cols, cols}, levels.data() + r * cols,
                                      row_scales.data() + r * groups);
    }
    if (scheme.fake) {
      float* to = reinterpret_cast<float*>(out) + first * cols;
      const size_t group = cols / groups;
      for (size_t i = 0; i < n * cols; ++i) to[i] = row_scales[i / group] * static_cast<float>(levels[i]);
      return {};
    }
    std::vector<uint16_t> halves;
    if (scales_inside) {
      halves.resize(row_scales.size());
      std::transform(row_scales.begin(), row_scales.end(), halves.begin(), kernels::to_f16);
    } else if (quantizer->is_per_tensor()) {
      if (first == 0) out_scales[0] = row_scales[0];
    } else {
      std::copy(row_scales.begin(), row_scales.end(), out_scales + first * groups);
    }
    kernels::pack_rows(view.format, view.bits, rows, cols, first, n, levels.data(),
                       halves.empty() ? nullptr : halves.data(), out);
    return {};
  });
  if (!done) return fail(std::move(done.error()));
  if (quantizer->is_q4_0()) told.groups += uint64_t{rows} * groups;
  told.off_grid_groups += off_grid;
  told.owned_bytes += data->bytes() + scales->bytes();
  view.data = out;
  view.scales = scale_count > 0 ? out_scales : nullptr;
  count(uint64_t{rows} * cols);
  return Matrix(view, input_format(scheme), std::move(*data), std::move(*scales));
}

Result<bool> on_grid(const StoredTensor& tensor) {
  const size_t rows = tensor.info().rows(), columns = tensor.info().columns();
  if (columns % kernels::kGroup != 0 || rows == 0) return false;
  constexpr size_t kSampledRows = 32;
  const size_t step = std::max<size_t>(1, rows / kSampledRows);
  StoredTensor::Scratch scratch;
  std::vector<float> values(columns);
  bool any = false;
  for (size_t row = step / 2; row < rows; row += step) {
    Result<void> read = tensor.floats(row, 1, scratch, values.data());
    if (!read) return fail(std::move(read.error()));
    for (size_t c = 0; c < values.size(); c += kernels::kGroup) {
      int8_t levels[kernels::kGroup];
      uint16_t scale = 0;
      const std::span<const float, kernels::kGroup> group(values.data() + c, kernels::kGroup);
      if (!kernels::q4_0_recover_grid(group, std::span<int8_t, kernels::kGroup>(levels), scale)) return false;
      any = any || std::any_of(group.begin(), group.end(), [](float w) { return w != 0; });
    }
  }
  return any;
}

}  // namespace gemma
