#include "kernels/pack.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/int8_group.h"
#include "kernels/quantize.h"

namespace gemma::kernels {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kGroupBytes = 4 * kLine + kPanelRows * sizeof(uint16_t);  // int4: 4 lines, 16 scales

size_t padded_cols(size_t cols) {
  return (cols + kGroup - 1) / kGroup * kGroup;
}

size_t panel_bytes(WeightFormat format, size_t cols) {
  const size_t groups = padded_cols(cols) / kGroup;
  switch (format) {
    case WeightFormat::kInt4Group32:
      return groups * kGroupBytes;
    case WeightFormat::kInt4Channel:
      return groups * 4 * kLine;
    case WeightFormat::kInt2Channel:
      return groups * 2 * kLine;
    default:
      return groups * 8 * kLine;
  }
}

// Bits that a stored level of kLevels takes.
int stored_bits(int bits) {
  return bits == 3 ? 4 : bits;
}
size_t level_row_bytes(int bits, size_t cols) {
  return (cols * static_cast<size_t>(stored_bits(bits)) + 7) / 8;
}

// Where a level of a panel matrix lies: its byte, and which bits of it.
struct Place {
  size_t byte;
  int shift;
};

Place place_of(WeightFormat format, size_t cols, size_t row, size_t col) {
  const size_t lane = row / kPanelRows * panel_bytes(format, cols) + row % kPanelRows * 4;
  if (format == WeightFormat::kInt8Channel) return {lane + col / 4 * kLine + col % 4, 0};
  if (format == WeightFormat::kInt2Channel) {
    return {lane + col / 16 * kLine + col % 4, static_cast<int>(col % 16 / 4 * 2)};
  }
  const size_t line = col % kGroup / 8;
  const size_t group_bytes = format == WeightFormat::kInt4Group32 ? kGroupBytes : 4 * kLine;
  return {lane + col / kGroup * group_bytes + line * kLine + col % 4, col % 8 >= 4 ? 4 : 0};
}

const std::byte* scales_of(const std::byte* data, size_t cols, size_t row, size_t group) {
  return data + row / kPanelRows * panel_bytes(WeightFormat::kInt4Group32, cols) + group * kGroupBytes +
         4 * kLine + row % kPanelRows * sizeof(uint16_t);
}

// Groups of 16 rows that are packed before the next ones: their panel lines and levels stay in the first
// cache.
constexpr size_t kTileGroups = 32;

// The 32 levels of a group into their row's four bytes of each of four lines, low nibbles first. Eight levels
// at a time in one register: the low four bits of level + 8 are those of level with the highest of them
// flipped.
void pack_nibbles(const int8_t* levels, std::byte* out) {
  static_assert(std::endian::native == std::endian::little);
  for (size_t line = 0; line < 4; ++line) {
    uint64_t eight;
    std::memcpy(&eight, levels + line * 8, sizeof(eight));
    eight = (eight & 0x0f0f0f0f0f0f0f0fu) ^ 0x0808080808080808u;
    const uint32_t four = static_cast<uint32_t>(eight | eight >> 28);
    std::memcpy(out + line * kLine, &four, sizeof(four));
  }
}

void pack_bytes(const int8_t* levels, std::byte* out) {
  for (size_t line = 0; line < kGroup / 4; ++line) std::memcpy(out + line * kLine, levels + 4 * line, 4);
}

// The same for 2 bits: four bytes of each of two lines.
void pack_pairs(const int8_t* levels, std::byte* out) {
  for (size_t line = 0; line < 2; ++line) {
    for (size_t j = 0; j < 4; ++j) {
      int byte = 0;
      for (size_t i = 0; i < 4; ++i) byte |= (levels[line * 16 + i * 4 + j] + 2) << (2 * i);
      out[line * kLine + j] = static_cast<std::byte>(byte);
    }
  }
}

// A byte of padding: level 0 as that format stores it.
int zero_byte(WeightFormat format) {
  switch (format) {
    case WeightFormat::kInt8Channel:
      return 0;
    case WeightFormat::kInt2Channel:
      return 0xaa;
    default:
      return 0x88;
  }
}

// One panel: n rows of levels (n, cols), padded to 16 rows and to whole groups with level 0 and scale 0.
void pack_panel(WeightFormat format, size_t cols, size_t n, const int8_t* levels, const uint16_t* scales_f16,
                std::byte* panel) {
  const size_t groups = padded_cols(cols) / kGroup;
  const size_t group_bytes = panel_bytes(format, cols) / groups;
  const auto pack_group = format == WeightFormat::kInt8Channel   ? pack_bytes
                          : format == WeightFormat::kInt2Channel ? pack_pairs
                                                                 : pack_nibbles;
  // Rows of padding; scales among them are overwritten below.
  if (n < kPanelRows) std::memset(panel, zero_byte(format), groups * group_bytes);
  for (size_t tile = 0; tile < groups; tile += kTileGroups) {
    const size_t end = std::min(groups, tile + kTileGroups);
    for (size_t r = 0; r < n; ++r) {
      for (size_t g = tile; g < end; ++g) {
        int8_t padded[kGroup] = {};
        const int8_t* in = levels + r * cols + g * kGroup;
        if ((g + 1) * kGroup > cols) {
          std::copy(in, in + (cols - g * kGroup), padded);
          in = padded;
        }
        pack_group(in, panel + g * group_bytes + r * 4);
      }
    }
    if (format != WeightFormat::kInt4Group32) continue;
    for (size_t g = tile; g < end; ++g) {
      uint16_t column[kPanelRows] = {};
      for (size_t r = 0; r < n; ++r) column[r] = scales_f16[r * groups + g];
      std::memcpy(panel + g * group_bytes + 4 * kLine, column, sizeof(column));
    }
  }
}

// n levels of a row from a whole line on, none of them beyond the group of kInt4Group32 that they begin in.
template <typename Level>
void read_panel_levels(const MatrixView& w, size_t row, size_t col0, size_t n, Level* out) {
  const size_t columns_of_line = w.format == WeightFormat::kInt8Channel   ? 4
                                 : w.format == WeightFormat::kInt2Channel ? 16
                                                                          : 8;
  const int bits = w.format == WeightFormat::kInt8Channel   ? 8
                   : w.format == WeightFormat::kInt2Channel ? 2
                                                            : 4;
  const std::byte* line = w.data + place_of(w.format, w.cols, row, col0).byte;
  for (size_t c = 0; c < n; c += columns_of_line, line += kLine) {
    for (size_t i = 0; i < std::min(columns_of_line, n - c); ++i) {
      const int byte = static_cast<int>(line[i % 4]);
      const int field = byte >> (bits * static_cast<int>(i / 4)) & ((1 << bits) - 1);
      out[c + i] = static_cast<Level>(bits == 8 ? static_cast<int8_t>(byte) : field - (1 << (bits - 1)));
    }
  }
}

}  // namespace

size_t packed_bytes(WeightFormat format, int bits, size_t rows, size_t cols, size_t group) {
  if (format == WeightFormat::kInt8Group) return int8_group_matrix_bytes(rows, cols, group);
  if (format == WeightFormat::kLevels) return rows * level_row_bytes(bits, cols);
  return (rows + kPanelRows - 1) / kPanelRows * panel_bytes(format, cols);
}

void pack_rows(WeightFormat format, int bits, size_t /*rows*/, size_t cols, size_t row0, size_t n,
               const int8_t* levels, const uint16_t* scales_f16, std::byte* data) {
  if (format == WeightFormat::kLevels) {
    const int width = stored_bits(bits);
    const int offset = 1 << (bits - 1);
    for (size_t r = 0; r < n; ++r) {
      std::byte* row = data + (row0 + r) * level_row_bytes(bits, cols);
      std::memset(row, 0, level_row_bytes(bits, cols));
      for (size_t c = 0; c < cols; ++c) {
        const size_t bit = c * static_cast<size_t>(width);
        row[bit / 8] |= static_cast<std::byte>((levels[r * cols + c] + offset) << (bit % 8));
      }
    }
    return;
  }
  const size_t groups = padded_cols(cols) / kGroup;
  for (size_t r = 0; r < n; r += kPanelRows) {
    pack_panel(format, cols, std::min(kPanelRows, n - r), levels + r * cols,
               scales_f16 == nullptr ? nullptr : scales_f16 + r * groups,
               data + (row0 + r) / kPanelRows * panel_bytes(format, cols));
  }
}

void panel_levels(const MatrixView& w, size_t row, size_t col0, size_t n, float* out) {
  read_panel_levels(w, row, col0, n, out);
}
void panel_levels(const MatrixView& w, size_t row, size_t col0, size_t n, int8_t* out) {
  read_panel_levels(w, row, col0, n, out);
}

int panel_level(const MatrixView& w, size_t row, size_t col) {
  const Place place = place_of(w.format, w.cols, row, col);
  const int byte = static_cast<int>(w.data[place.byte]) >> place.shift;
  if (w.format == WeightFormat::kInt8Channel) return static_cast<int8_t>(byte);
  return w.format == WeightFormat::kInt2Channel ? (byte & 3) - 2 : (byte & 15) - 8;
}

void unpack_levels(const MatrixView& w, size_t row, int8_t* out) {
  if (w.format == WeightFormat::kLevels) {
    const int width = stored_bits(w.bits);
    const int mask = (1 << width) - 1;
    const int offset = 1 << (w.bits - 1);
    const std::byte* bytes = w.data + row * level_row_bytes(w.bits, w.cols);
    for (size_t c = 0; c < w.cols; ++c) {
      const size_t bit = c * static_cast<size_t>(width);
      out[c] = static_cast<int8_t>((static_cast<int>(bytes[bit / 8]) >> (bit % 8) & mask) - offset);
    }
    return;
  }
  if (w.format == WeightFormat::kInt8Group) {
    for (size_t c = 0; c < w.cols; ++c) out[c] = int8_group_level(w, row, c);
    return;
  }
  for (size_t c = 0; c < w.cols; ++c) out[c] = static_cast<int8_t>(panel_level(w, row, c));
}

float weight_scale(const MatrixView& w, size_t row, size_t col) {
  switch (w.format) {
    case WeightFormat::kInt4Group32: {
      uint16_t half;
      std::memcpy(&half, scales_of(w.data, w.cols, row, col / kGroup), sizeof(half));
      return from_f16(half);
    }
    case WeightFormat::kInt4Channel:
    case WeightFormat::kInt8Channel:
    case WeightFormat::kInt2Channel:
      return w.scales[row];
    case WeightFormat::kInt8Group:
      return int8_group_scale(w, row, col);
    case WeightFormat::kLevels:
      return w.group == 0 ? w.scales[0] : w.scales[row * (w.cols / w.group) + col / w.group];
    default:
      return 1.0f;
  }
}

void dequantize_row(const MatrixView& w, size_t row, float* out) {
  const std::byte* stored = w.data + row * w.cols * (w.format == WeightFormat::kF32 ? 4 : 2);
  switch (w.format) {
    case WeightFormat::kF32:
      std::memcpy(out, stored, w.cols * sizeof(float));
      return;
    case WeightFormat::kBf16:
    case WeightFormat::kF16:
      for (size_t c = 0; c < w.cols; ++c) {
        uint16_t half;
        std::memcpy(&half, stored + 2 * c, sizeof(half));
        out[c] = w.format == WeightFormat::kBf16 ? from_bf16(half) : from_f16(half);
      }
      return;
    case WeightFormat::kInt8Group:
      for (size_t c = 0; c < w.cols; c += w.group) {
        const float scale = int8_group_scale(w, row, c);
        for (size_t i = c; i < c + w.group; ++i) {
          out[i] = scale * static_cast<float>(int8_group_level(w, row, i));
        }
      }
      return;
    default:
      break;
  }
  if (w.format == WeightFormat::kLevels) {
    const int width = stored_bits(w.bits);
    const int mask = (1 << width) - 1;
    const int offset = 1 << (w.bits - 1);
    const std::byte* bytes = w.data + row * level_row_bytes(w.bits, w.cols);
    const size_t group = w.group == 0 ? w.cols : w.group;
    for (size_t c = 0; c < w.cols; c += group) {
      const float scale = weight_scale(w, row, c);
      for (size_t i = c; i < std::min(w.cols, c + group); ++i) {
        const size_t bit = i * static_cast<size_t>(width);
        const int level = (static_cast<int>(bytes[bit / 8]) >> (bit % 8) & mask) - offset;
        out[i] = scale * static_cast<float>(level);
      }
    }
    return;
  }
  if (w.format != WeightFormat::kInt4Group32) {
    panel_levels(w, row, 0, w.cols, out);
    for (size_t c = 0; c < w.cols; ++c) out[c] = w.scales[row] * out[c];
    return;
  }
  for (size_t c = 0; c < w.cols; c += kGroup) {
    const float scale = weight_scale(w, row, c);
    for (size_t i = c; i < std::min(w.cols, c + kGroup); ++i) {
      out[i] = scale * static_cast<float>(panel_level(w, row, i));
    }
  }
}

}  // namespace gemma::kernels
