// The panels of WeightFormat::kInt8Group: int8 levels in groups of 16 or 32 columns with one float32 scale
// per row and group. They hold what GGUF stores as Q8_0 (8 bits, groups of 32) and Q6_K (6 bits, -32..31,
// groups of 16) without loss.
//
//   panel    16 rows (the last one padded with rows of zeros), one after the other
//   group    per 4 columns a 64-byte line: byte row*4 + j is column j, signed; then 16 float32 scales
//            (64 bytes)
//
// Columns are a multiple of 32, so that a group of activations (32) holds whole groups of weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/matrix.h"

namespace gemma::kernels {

// Bytes of one group of a panel.
inline constexpr size_t int8_group_bytes(size_t group) {
  return (group / 4 + 1) * 64;
}

// Bytes of a packed matrix.
size_t int8_group_matrix_bytes(size_t rows, size_t cols, size_t group);

// Writes rows [row0, row0 + n) of a matrix: levels (n, cols), scales (n, cols / group). row0 is a multiple of
// 16; n too, unless these are the matrix's last rows. `data` is the whole matrix. Different row ranges may be
// written in parallel.
void pack_int8_group_rows(size_t cols, size_t group, size_t row0, size_t n, const int8_t* levels,
                          const float* scales, std::byte* data);

// Whether all levels of rows [panel * 16, panel * 16 + 16) lie in [lowest, highest].
bool int8_group_within(const MatrixView& w, size_t panel, int8_t lowest, int8_t highest);

// The level at a row and column, and the scale that goes with it.
int8_t int8_group_level(const MatrixView& w, size_t row, size_t col);
float int8_group_scale(const MatrixView& w, size_t row, size_t col);

}  // namespace gemma::kernels
