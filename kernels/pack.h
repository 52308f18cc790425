// From levels to panels, and back. One packed layout for all CPUs, version 1:
//
//   panel    16 rows (the last one padded with rows of zeros), one after the other
//   int4     per 8 columns a 64-byte line: byte row*4 + j holds column j in its low nibble, column 4 + j in
//            its high nibble, both as level + 8
//            groups of 32: per 32 columns 4 lines (256 bytes), then 16 fp16 scales (32 bytes)
//            per channel: lines only; columns padded to a multiple of 32 with level 0
//   int8     per 4 columns a 64-byte line: byte row*4 + j is column j, as signed level; padded to 32 columns
//   int2     per 16 columns a 64-byte line: byte row*4 + j holds columns j, 4 + j, 8 + j and 12 + j, lowest
//            bits first, as level + 2 (levels -2..1); padded to 32 columns with level 0 (byte 0xaa)
//
// vpmaddubsw, vpdpbusd and sdot read a line as it is; GEMV and GEMM share it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/matrix.h"

namespace gemma::kernels {

inline constexpr int kLayoutVersion = 1;

// Bytes of a packed matrix of that format (panels or kLevels), scales of channel formats excluded.
// `group` counts for kInt8Group only, whose scales lie inside.
size_t packed_bytes(WeightFormat format, int bits, size_t rows, size_t cols, size_t group = 0);

// Writes rows [row0, row0 + n) of a matrix: levels (n, cols) signed, scales_f16 (n, cols/32) for kInt4Group32
// (null otherwise). row0 is a multiple of 16; n too, unless these are the matrix's last rows, in which case
// the panel is padded with zero rows. `data` is the whole matrix. Different row ranges may be written in
// parallel.
void pack_rows(WeightFormat format, int bits, size_t rows, size_t cols, size_t row0, size_t n,
               const int8_t* levels, const uint16_t* scales_f16, std::byte* data);

// Row `row` of any format as float32 values: scale * level, or the stored float.
void dequantize_row(const MatrixView& w, size_t row, float* out);
// The levels alone (formats with levels), and the scale of column `col` of a row.
void unpack_levels(const MatrixView& w, size_t row, int8_t* out);
float weight_scale(const MatrixView& w, size_t row, size_t col);
// One level of a panel format, read where the picture above puts it.
int panel_level(const MatrixView& w, size_t row, size_t col);
// Levels [col0, col0 + n) of a row of a panel, as floats or as they are; col0 is a multiple of 32, and with
// kInt4Group32 n is at most 32.
void panel_levels(const MatrixView& w, size_t row, size_t col0, size_t n, float* out);
void panel_levels(const MatrixView& w, size_t row, size_t col0, size_t n, int8_t* out);

}  // namespace gemma::kernels
