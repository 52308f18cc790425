#include "engine/static_linear.h"

#include <algorithm>

#include "kernels/pack.h"
#include "kernels/static_scales.h"

namespace gemma {
namespace {

using kernels::Activations;
using kernels::kPanelRows;
using kernels::MatrixView;
using kernels::WeightFormat;

// Columns whose products of an 8-bit and a `bits`-bit level sum to at most 2^24 in magnitude.
size_t exact_columns(int bits) {
  return size_t{1} << (24 - 7 - (bits - 1));
}

MatrixView float_block(const float* values, size_t rows, size_t cols) {
  MatrixView block;
  block.rows = rows;
  block.cols = cols;
  block.data = reinterpret_cast<const std::byte*>(values);
  return block;
}

void integers(const kernels::KernelTable& kernels, const MatrixView& view, const Activations& acts,
              size_t row0, size_t row1, float* out, size_t out_stride) {
  const auto matmul = view.format == WeightFormat::kInt2Channel   ? kernels.matmul_int2_static
                      : view.format == WeightFormat::kInt4Channel ? kernels.matmul_int4_static
                                                                  : kernels.matmul_int8_static;
  matmul(view, acts, row0, row1, out, out_stride);
}

// Levels as floats on both sides: acts.x holds whole numbers.
void faked(const kernels::KernelTable& kernels, const MatrixView& view, const Activations& acts, size_t row0,
           size_t row1, float* scratch, float* out, size_t out_stride) {
  const size_t rows = row1 - row0, cols = view.cols;
  const size_t width = exact_columns(view.bits);
  // One block of columns after the other, each (rows, its columns).
  for (size_t first = 0; first < cols; first += width) {
    const size_t n = std::min(width, cols - first);
    for (size_t r = 0; r < rows; ++r) {
      kernels::panel_levels(view, row0 + r, first, n, scratch + first * rows + r * n);
    }
  }
  const auto finish = [&](size_t t, size_t r, float acc) {
    out[t * out_stride + row0 + r] =
        kernels::static_output(acc, view.statics.factors[row0 + r], view.statics.output);
  };
  if (cols <= width) {
    kernels.matmul_float(float_block(scratch, rows, cols), acts, 0, rows, out + row0, out_stride);
    for (size_t t = 0; t < acts.tokens; ++t) {
      for (size_t r = 0; r < rows; ++r) finish(t, r, out[t * out_stride + row0 + r]);
    }
    return;
  }
  for (size_t t = 0; t < acts.tokens; ++t) {
    int32_t sums[kPanelRows] = {};
    for (size_t first = 0; first < cols; first += width) {
      const size_t n = std::min(width, cols - first);
      float part[kPanelRows];
      Activations columns = acts;
      columns.tokens = 1;
      columns.cols = n;
      columns.x = acts.x + t * cols + first;
      kernels.matmul_float(float_block(scratch + first * rows, rows, n), columns, 0, rows, part, rows);
      for (size_t r = 0; r < rows; ++r) sums[r] += static_cast<int32_t>(part[r]);
    }
    for (size_t r = 0; r < rows; ++r) finish(t, r, static_cast<float>(sums[r]));
  }
}

// No input scale: levels times floats, and the output quantized if it has a scale.
void floats(const kernels::KernelTable& kernels, const MatrixView& view, const Activations& acts, size_t row0,
            size_t row1, float* scratch, float* out, size_t out_stride) {
  const size_t rows = row1 - row0;
  for (size_t r = 0; r < rows; ++r) kernels::dequantize_row(view, row0 + r, scratch + r * view.cols);
  kernels.matmul_float(float_block(scratch, rows, view.cols), acts, 0, rows, out + row0, out_stride);
  round_outputs(view.statics.output, acts.tokens, row0, row1, out, out_stride);
}

}  // namespace

void round_outputs(float scale, size_t tokens, size_t row0, size_t row1, float* out, size_t out_stride) {
  if (scale == 0) return;
  for (size_t t = 0; t < tokens; ++t) {
    for (size_t r = row0; r < row1; ++r) {
      float& value = out[t * out_stride + r];
      value = kernels::activation_level(value, scale) * scale;
    }
  }
}

void static_linear(const kernels::KernelTable& kernels, const Matrix& w, const Activations& acts, size_t row0,
                   size_t row1, float* scratch, float* out, size_t out_stride) {
  const InputFormat& input = w.input();
  const bool levels = input.kind == kernels::ActivationKind::kInt8Static;
  if (levels && !input.fake) return integers(kernels, w.view(), acts, row0, row1, out, out_stride);
  for (size_t row = row0; row < row1; row += kPanelRows) {
    const size_t end = std::min(row1, row + kPanelRows);
    (levels ? faked : floats)(kernels, w.view(), acts, row, end, scratch, out, out_stride);
  }
}

}  // namespace gemma
