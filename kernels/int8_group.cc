#include "kernels/int8_group.h"

#include <cstring>

namespace gemma::kernels {
namespace {

constexpr size_t kLine = 64;

// First byte of the group of a row and column; `lane` is where the row's four bytes of a line, and its scale,
// lie.
size_t group_at(size_t cols, size_t group, size_t row, size_t col) {
  return (row / kPanelRows * (cols / group) + col / group) * int8_group_bytes(group);
}
size_t lane(size_t row) {
  return row % kPanelRows * 4;
}

}  // namespace

size_t int8_group_matrix_bytes(size_t rows, size_t cols, size_t group) {
  return (rows + kPanelRows - 1) / kPanelRows * (cols / group) * int8_group_bytes(group);
}

void pack_int8_group_rows(size_t cols, size_t group, size_t row0, size_t n, const int8_t* levels,
                          const float* scales, std::byte* data) {
  const size_t groups = cols / group;
  const size_t begin = group_at(cols, group, row0, 0);
  std::memset(data + begin, 0, int8_group_matrix_bytes(n, cols, group));
  for (size_t r = 0; r < n; ++r) {
    for (size_t g = 0; g < groups; ++g) {
      std::byte* at = data + group_at(cols, group, row0 + r, g * group) + lane(r);
      for (size_t c = 0; c < group; c += 4, levels += 4, at += kLine) std::memcpy(at, levels, 4);
      std::memcpy(at, scales++, sizeof(float));
    }
  }
}

bool int8_group_within(const MatrixView& w, size_t panel, int8_t lowest, int8_t highest) {
  const std::byte* line = w.data + group_at(w.cols, w.group, panel * kPanelRows, 0);
  bool within = true;
  for (size_t g = 0; g < w.cols / w.group; ++g, line += kLine) {  // over the scales
    for (size_t i = 0; i < w.group / 4; ++i, line += kLine) {
      for (size_t b = 0; b < kLine; ++b) {
        const int8_t level = static_cast<int8_t>(line[b]);
        within &= (level >= lowest) & (level <= highest);
      }
    }
  }
  return within;
}

int8_t int8_group_level(const MatrixView& w, size_t row, size_t col) {
  const size_t line = col % w.group / 4 * kLine;
  return static_cast<int8_t>(w.data[group_at(w.cols, w.group, row, col) + line + lane(row) + col % 4]);
}

float int8_group_scale(const MatrixView& w, size_t row, size_t col) {
  float scale;
  std::memcpy(&scale, w.data + group_at(w.cols, w.group, row, col) + w.group / 4 * kLine + lane(row),
              sizeof(scale));
  return scale;
}

}  // namespace gemma::kernels
