#include "engine/row_packer.h"

#include <algorithm>
#include <cstring>

#include "kernels/int8_group.h"
#include "kernels/pack.h"

namespace gemma {

using kernels::WeightFormat;

namespace {

// The first n elements of a buffer that only grows.
template <typename T>
T* at_least(std::vector<T>& buffer, size_t n) {
  if (buffer.size() < n) buffer.resize(n);
  return buffer.data();
}

bool in_levels(const RowPacker::Target& target) {
  return target.keeps || (target.quantizer.quantizes() && !target.quantizer.has_zero_point());
}

}  // namespace

size_t rows_per_step(size_t cols) {
  const size_t rows = std::max<size_t>(1, (size_t{1} << 16) / std::max<size_t>(cols, 1));
  return (rows + kernels::kPanelRows - 1) / kernels::kPanelRows * kernels::kPanelRows;
}

RowPacker::RowPacker(const StoredTensor& stored, const Target& target)
    : stored_(stored),
      target_(target),
      groups_(target.keeps        ? target.view.cols / stored.group()
              : in_levels(target) ? target.quantizer.groups_per_row(target.view.cols)
                                  : 0) {}

Result<void> RowPacker::copy_floats(size_t row, size_t first, size_t n, Scratch& scratch,
                                    std::byte* data) const {
  const size_t cols = target_.view.cols;
  if (target_.view.format == WeightFormat::kF32) {
    float* to = reinterpret_cast<float*>(data) + first * cols;
    Result<void> read = stored_.floats(row, n, scratch.stored, to);
    // Only those with a zero point come here: the others have levels.
    for (size_t r = 0; r < n && read; ++r)
      target_.quantizer.fake(stored_.kernels(), {to + r * cols, cols}, scratch.levels, scratch.scales);
    return read;
  }
  float* values = at_least(scratch.values, n * cols);
  Result<void> read = stored_.floats(row, n, scratch.stored, values);
  if (!read) return read;
  uint16_t* to = reinterpret_cast<uint16_t*>(data) + first * cols;
  // fp16 only where the file has fp16: a NaN aside, back and forth is exact.
  if (target_.view.format == WeightFormat::kF16) {
    stored_.kernels().float_to_f16(values, to, n * cols);
  } else {
    stored_.kernels().float_to_bf16(values, to, n * cols);
  }
  return {};
}

Result<uint64_t> RowPacker::pack(size_t row0, size_t first, size_t n, Scratch& scratch, std::byte* data,
                                 float* scales) const {
  const kernels::MatrixView& view = target_.view;
  const size_t cols = view.cols;
  if (!in_levels(target_)) {
    Result<void> copied = copy_floats(row0 + first, first, n, scratch, data);
    if (!copied) return fail(std::move(copied.error()));
    return uint64_t{0};
  }
  int8_t* levels = at_least(scratch.levels, n * cols);
  float* found = at_least(scratch.scales, n * groups_);
  uint64_t off_grid = 0;
  if (target_.keeps) {
    Result<void> read = stored_.levels(row0 + first, n, scratch.stored, levels, found);
    if (!read) return fail(std::move(read.error()));
  } else {
    float* values = at_least(scratch.values, n * cols);
    Result<void> read = stored_.floats(row0 + first, n, scratch.stored, values);
    if (!read) return fail(std::move(read.error()));
    for (size_t r = 0; r < n; ++r) {
      off_grid += target_.quantizer.quantize(stored_.kernels(), {values + r * cols, cols}, levels + r * cols,
                                             found + r * groups_);
    }
  }
  if (target_.fake) {
    float* to = reinterpret_cast<float*>(data) + first * cols;
    const size_t group = cols / groups_;
    for (size_t g = 0; g < n * groups_; ++g) {
      for (size_t i = g * group; i < (g + 1) * group; ++i) to[i] = found[g] * static_cast<float>(levels[i]);
    }
    return off_grid;
  }
  if (view.format == WeightFormat::kInt8Group) {
    kernels::pack_int8_group_rows(cols, view.group, first, n, levels, found, data);
    return off_grid;
  }
  const uint16_t* inside = nullptr;  // scales that lie among the levels
  if (view.format == WeightFormat::kInt4Group32) {
    uint16_t* halves = at_least(scratch.halves, n * groups_);
    stored_.kernels().float_to_f16(found, halves, n * groups_);
    inside = halves;
  } else if (!target_.keeps && target_.quantizer.is_per_tensor()) {
    if (first == 0) scales[0] = found[0];
  } else {
    std::copy(found, found + n * groups_, scales + first * groups_);
  }
  kernels::pack_rows(view.format, view.bits, view.rows, cols, first, n, levels, inside, data);
  return off_grid;
}

}  // namespace gemma
