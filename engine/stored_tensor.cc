#include "engine/stored_tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/panel_file.h"
#include "kernels/kernel_table.h"
#include "kernels/pack.h"
#include "kernels/stored_blocks.h"

namespace gemma {
namespace {

std::string place(const TensorInfo& tensor) {
  return tensor.file.empty() ? tensor.name : tensor.file + ": " + tensor.stored_name;
}

// Stored floats as float32. `in` is a vector's memory or a map's: widened by kernels that take any alignment.
void widen(Dtype dtype, const std::byte* in, size_t n, float* out) {
  const kernels::KernelTable& kernels = kernels::default_kernel_table();
  const uint16_t* halves = reinterpret_cast<const uint16_t*>(in);
  switch (dtype) {
    case Dtype::kBf16:
      kernels.bf16_to_float(halves, out, n);
      break;
    case Dtype::kF16:
      kernels.f16_to_float(halves, out, n);
      break;
    default:
      std::memcpy(out, in, n * sizeof(float));
  }
}

bool is_float(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kBf16 || dtype == Dtype::kF16;
}

// Columns that share a scale inside a row of that encoding; 0: the scales are a tensor of their own.
size_t inner_group(Encoding encoding) {
  switch (encoding) {
    case Encoding::kQ4_0:
    case Encoding::kQ8_0:
      return 32;
    case Encoding::kQ6_K:
      return 16;
    default:
      return 0;
  }
}

}  // namespace

Result<StoredTensor> StoredTensor::open(const TensorSource& source, const TensorInfo& tensor) {
  StoredTensor stored;
  stored.source_ = &source;
  stored.info_ = &tensor;
  if (tensor.encoding == Encoding::kPlain) {
    if (is_float(tensor.dtype)) return stored;
    return fail(ErrorCode::kUnsupported, place(tensor),
                fmt::format("expected F32, F16 or BF16, found {}", dtype_name(tensor.dtype)));
  }
  if (tensor.encoding == Encoding::kPanels) {
    Result<std::vector<kernels::MatrixView>> panels = open_panels(source, tensor);
    if (!panels) return fail(std::move(panels.error()));
    stored.panels_ = std::move(*panels);
    stored.bits_ = stored.panels_.front().bits;
    stored.group_ = panel_scale_columns(stored.panels_.front());
    return stored;
  }
  stored.bits_ = encoding_bits(tensor.encoding);
  stored.group_ = inner_group(tensor.encoding);
  const size_t block = tensor.encoding == Encoding::kQ6_K ? 256 : std::max<size_t>(stored.group_, 1);
  if (tensor.columns() % block != 0) {
    return fail(
        ErrorCode::kInvalidFile, place(tensor),
        fmt::format("expected rows of whole blocks of {} columns, found {} columns", block, tensor.columns()),
        "the file is damaged: fetch or make it again");
  }
  if (stored.group_ == 0) {
    Result<void> opened = stored.open_scales();
    if (!opened) return fail(std::move(opened.error()));
  }
  return stored;
}

// The scale tensor holds one number per row or several: (rows), (rows, groups), with more dimensions for
// experts.
Result<void> StoredTensor::open_scales() {
  const size_t rows = info_->rows(), columns = info_->columns();
  scales_ = source_->find(info_->name + "_scale");
  if (scales_ == nullptr) {
    return fail(ErrorCode::kMismatch, place(*info_),
                "its scales are missing: expected " + info_->name + "_scale",
                "the checkpoint is incomplete: fetch it again");
  }
  const size_t count = scales_->elements();
  const size_t groups = rows == 0 ? 0 : count / rows;
  if (!is_float(scales_->dtype) || scales_->encoding != Encoding::kPlain || groups == 0 ||
      count != rows * groups || columns % groups != 0) {
    return fail(
        ErrorCode::kMismatch, place(*scales_),
        fmt::format("expected floats, one or more for each of the {} rows of {} columns, found {} [{}]", rows,
                    columns, dtype_name(scales_->dtype), fmt::join(scales_->shape, ", ")),
        "the checkpoint is damaged or of a kind that is not known: fetch it again");
  }
  group_ = columns / groups;
  if (scales_->rows() == rows) return {};
  Result<std::vector<float>> all = read_floats(*source_, *scales_);
  if (!all) return fail(std::move(all.error()));
  all_scales_ = std::move(*all);
  return {};
}

const kernels::MatrixView* StoredTensor::panels(size_t row0, size_t rows) const {
  if (panels_.empty() || rows != panels_.front().rows || row0 % rows != 0) return nullptr;
  return &panels_[row0 / rows];
}

Result<void> StoredTensor::read_scales(size_t row0, size_t rows, Scratch& scratch, float* scales) const {
  const size_t groups = info_->columns() / group_;
  if (!all_scales_.empty()) {
    std::memcpy(scales, all_scales_.data() + row0 * groups, rows * groups * sizeof(float));
  } else {
    scratch.raw_scales.resize(rows * scales_->row_bytes());
    Result<void> read = source_->read_rows(*scales_, row0, row0 + rows, scratch.raw_scales);
    if (!read) return read;
    widen(scales_->dtype, scratch.raw_scales.data(), rows * groups, scales);
  }
  return {};
}

Result<void> StoredTensor::levels(size_t row0, size_t rows, Scratch& scratch, int8_t* levels,
                                  float* scales) const {
  const size_t columns = info_->columns();
  const size_t groups = columns / group_;
  if (row0 > info_->rows() || rows > info_->rows() - row0) {
    return fail(ErrorCode::kInternal, place(*info_),
                fmt::format("has {} rows, asked for {} from {} on", info_->rows(), rows, row0));
  }
  if (!panels_.empty()) {
    const size_t block_rows = panels_.front().rows;
    for (size_t r = 0; r < rows; ++r) {
      const kernels::MatrixView& block = panels_[(row0 + r) / block_rows];
      const size_t row = (row0 + r) % block_rows;
      kernels::unpack_levels(block, row, levels + r * columns);
      for (size_t g = 0; g < groups; ++g)
        scales[r * groups + g] = kernels::weight_scale(block, row, g * group_);
    }
    // Bytes that hold levels of 6 bits could hold others, which their kernel does not take.
    const auto too_large = [](int8_t level) { return level < -32 || level > 31; };
    if (bits_ == 6 && std::any_of(levels, levels + rows * columns, too_large)) {
      return fail(ErrorCode::kInvalidFile, place(*info_),
                  fmt::format("expected levels of 6 bits from row {} on, found larger ones", row0),
                  "the file is damaged: make it again with gemma-quantize");
    }
    return {};
  }
  const size_t row_bytes = info_->row_bytes();
  scratch.raw.resize(rows * row_bytes);
  Result<void> read = source_->read_rows(*info_, row0, row0 + rows, scratch.raw);
  if (read && scales_ != nullptr) read = read_scales(row0, rows, scratch, scales);
  if (!read) return read;
  for (size_t r = 0; r < rows; ++r) {
    const std::byte* row = scratch.raw.data() + r * row_bytes;
    int8_t* to = levels + r * columns;
    switch (info_->encoding) {
      case Encoding::kQ4_0:
        kernels::decode_q4_0(row, columns, to, scales + r * groups);
        break;
      case Encoding::kQ8_0:
        kernels::decode_q8_0(row, columns, to, scales + r * groups);
        break;
      case Encoding::kQ6_K:
        kernels::decode_q6_k(row, columns, to, scales + r * groups);
        break;
      case Encoding::kGemma8:
        std::memcpy(to, row, columns);
        break;
      default:
        kernels::decode_offset_levels(row, columns, bits_, to);
    }
  }
  for (size_t i = 0; i < rows * groups; ++i) {
    if (std::isfinite(scales[i]) && (scales_ == nullptr || scales[i] >= 0)) continue;
    return fail(ErrorCode::kInvalidFile, place(*(scales_ != nullptr ? scales_ : info_)),
                fmt::format("expected a finite scale in row {}, found {}", row0 + i / groups, scales[i]),
                "the file is damaged: fetch it again");
  }
  return {};
}

Result<void> StoredTensor::floats(size_t row0, size_t rows, Scratch& scratch, float* out) const {
  const size_t columns = info_->columns();
  if (!in_levels()) {
    scratch.raw.resize(rows * info_->row_bytes());
    Result<void> read = source_->read_rows(*info_, row0, row0 + rows, scratch.raw);
    if (read) widen(info_->dtype, scratch.raw.data(), rows * columns, out);
    return read;
  }
  scratch.levels.resize(rows * columns);
  scratch.scales.resize(rows * columns / group_);
  Result<void> read = levels(row0, rows, scratch, scratch.levels.data(), scratch.scales.data());
  if (!read) return read;
  for (size_t i = 0, g = 0; i < rows * columns; ++g) {
    for (const size_t end = i + group_; i < end; ++i) {
      out[i] = scratch.scales[g] * static_cast<float>(scratch.levels[i]);
    }
  }
  return {};
}

Result<std::vector<float>> read_floats(const TensorSource& source, const TensorInfo& tensor) {
  Result<StoredTensor> stored = StoredTensor::open(source, tensor);
  if (!stored) return fail(std::move(stored.error()));
  StoredTensor::Scratch scratch;
  std::vector<float> values(tensor.elements());
  Result<void> read = stored->floats(0, tensor.rows(), scratch, values.data());
  if (!read) return fail(std::move(read.error()));
  return values;
}

}  // namespace gemma
