#include "kernels/pack.h"

#include <algorithm>
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

// Where a level of a panel matrix lies: its byte, and whether in the high nibble.
struct Place {
  size_t byte;
  bool high;
};

Place place_of(WeightFormat format, size_t cols, size_t row, size_t col) {
  const size_t panel = row / kPanelRows * panel_bytes(format, cols);
  const size_t lane = row % kPanelRows * 4;
  if (format == WeightFormat::kInt8Channel) return {panel + col / 4 * kLine + lane + col % 4, false};
  const size_t line = col % kGroup / 8;
  const size_t group_bytes = format == WeightFormat::kInt4Group32 ? kGroupBytes : 4 * kLine;
  return {panel + col / kGroup * group_bytes + line * kLine + lane + col % 4, col % 8 >= 4};
}

std::byte* scales_of(std::byte* data, size_t cols, size_t row, size_t group) {
  return data + row / kPanelRows * panel_bytes(WeightFormat::kInt4Group32, cols) + group * kGroupBytes +
         4 * kLine + row % kPanelRows * sizeof(uint16_t);
}

// The 32 levels of a group into their row's four bytes of each of four lines, low nibbles first.
void pack_nibbles(const int8_t* levels, std::byte* out) {
  for (size_t line = 0; line < 4; ++line) {
    for (size_t j = 0; j < 4; ++j) {
      const int low = levels[line * 8 + j] + 8;
      const int high = levels[line * 8 + 4 + j] + 8;
      out[line * kLine + j] = static_cast<std::byte>(low | high << 4);
    }
  }
}

}  // namespace

size_t packed_bytes(WeightFormat format, int bits, size_t rows, size_t cols) {
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
  // Rows and columns of padding hold level 0: byte 0x88 where nibbles are stored as level + 8.
  const size_t last = (row0 + n + kPanelRows - 1) / kPanelRows * kPanelRows;
  const size_t bytes = panel_bytes(format, cols);
  const bool nibbles = format != WeightFormat::kInt8Channel;
  std::memset(data + row0 / kPanelRows * bytes, nibbles ? 0x88 : 0, (last - row0) / kPanelRows * bytes);
  const size_t groups = padded_cols(cols) / kGroup;
  const size_t group_bytes = bytes / groups;
  for (size_t r = 0; r < n; ++r) {
    const size_t row = row0 + r;
    std::byte* group = data + row / kPanelRows * bytes + row % kPanelRows * 4;
    for (size_t g = 0; g < groups; ++g, group += group_bytes) {
      int8_t padded[kGroup] = {};
      const int8_t* in = levels + r * cols + g * kGroup;
      if ((g + 1) * kGroup > cols) {
        std::copy(in, in + (cols - g * kGroup), padded);
        in = padded;
      }
      if (nibbles) {
        pack_nibbles(in, group);
      } else {
        for (size_t line = 0; line < kGroup / 4; ++line) std::memcpy(group + line * kLine, in + 4 * line, 4);
      }
      if (format == WeightFormat::kInt4Group32) {
        std::memcpy(scales_of(data, cols, row, g), scales_f16 + r * groups + g, sizeof(uint16_t));
      }
    }
  }
  for (size_t row = row0 + n; row < last && format == WeightFormat::kInt4Group32; ++row) {
    for (size_t g = 0; g < groups; ++g) std::memset(scales_of(data, cols, row, g), 0, sizeof(uint16_t));
  }
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
  for (size_t c = 0; c < w.cols; ++c) {
    const Place place = place_of(w.format, w.cols, row, c);
    const int byte = static_cast<int>(w.data[place.byte]);
    out[c] = static_cast<int8_t>(w.format == WeightFormat::kInt8Channel ? static_cast<int8_t>(byte)
                                 : place.high                           ? (byte >> 4) - 8
                                                                        : (byte & 15) - 8);
  }
}

float weight_scale(const MatrixView& w, size_t row, size_t col) {
  switch (w.format) {
    case WeightFormat::kInt4Group32: {
      uint16_t half;
      std::memcpy(&half, scales_of(const_cast<std::byte*>(w.data), w.cols, row, col / kGroup), sizeof(half));
      return from_f16(half);
    }
    case WeightFormat::kInt4Channel:
    case WeightFormat::kInt8Channel:
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
  // Levels a group at a time, so that the scale is looked up once for each.
  int8_t levels[kGroup];
  const size_t run = w.format == WeightFormat::kLevels ? 1 : kGroup;
  if (run == 1) {
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
  for (size_t c = 0; c < w.cols; c += kGroup) {
    const float scale = weight_scale(w, row, c);
    const size_t n = std::min(kGroup, w.cols - c);
    for (size_t i = 0; i < n; ++i) {
      const Place place = place_of(w.format, w.cols, row, c + i);
      const int byte = static_cast<int>(w.data[place.byte]);
      levels[i] = static_cast<int8_t>(w.format == WeightFormat::kInt8Channel ? static_cast<int8_t>(byte)
                                      : place.high                           ? (byte >> 4) - 8
                                                                             : (byte & 15) - 8);
    }
    for (size_t i = 0; i < n; ++i) out[c + i] = scale * static_cast<float>(levels[i]);
  }
}

}  // namespace gemma::kernels
