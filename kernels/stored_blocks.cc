#include "kernels/stored_blocks.h"

#include <cstring>

#include "kernels/quantize.h"

namespace gemma::kernels {
namespace {

constexpr size_t kBlock = 32;
constexpr size_t kQ4Bytes = 2 + kBlock / 2;
constexpr size_t kQ8Bytes = 2 + kBlock;
constexpr size_t kSuperBlock = 256;

uint16_t half_at(const std::byte* p) {
  uint16_t half;
  std::memcpy(&half, p, sizeof(half));
  return half;
}

int bits_of(std::byte b) {
  return std::to_integer<int>(b);
}

}  // namespace

void decode_q4_0(const std::byte* row, size_t cols, int8_t* levels, float* scales) {
  for (size_t c = 0; c < cols; c += kBlock, row += kQ4Bytes, levels += kBlock) {
    *scales++ = from_f16(half_at(row));
    for (size_t j = 0; j < kBlock / 2; ++j) {
      const int byte = bits_of(row[2 + j]);
      levels[j] = static_cast<int8_t>((byte & 15) - 8);
      levels[j + kBlock / 2] = static_cast<int8_t>((byte >> 4) - 8);
    }
  }
}

void decode_q8_0(const std::byte* row, size_t cols, int8_t* levels, float* scales) {
  for (size_t c = 0; c < cols; c += kBlock, row += kQ8Bytes, levels += kBlock) {
    *scales++ = from_f16(half_at(row));
    std::memcpy(levels, row + 2, kBlock);
  }
}

// A super-block is two halves of 128 columns. In each, columns l, l + 32, l + 64 and l + 96 share high-bit
// byte l; their low nibbles are those of bytes l and l + 32, low ones first.
void decode_q6_k(const std::byte* row, size_t cols, int8_t* levels, float* scales) {
  constexpr size_t kHigh = 128, kScales = 192, kD = 208, kBytes = 210;
  for (size_t c = 0; c < cols; c += kSuperBlock, row += kBytes) {
    const float d = from_f16(half_at(row + kD));
    for (size_t s = 0; s < kSuperBlock / 16; ++s) {
      *scales++ = d * static_cast<float>(static_cast<int8_t>(bits_of(row[kScales + s])));
    }
    for (size_t half = 0; half < 2; ++half, levels += 128) {
      const std::byte* low = row + half * 64;
      const std::byte* high = row + kHigh + half * 32;
      for (size_t l = 0; l < 32; ++l) {
        const int bits = bits_of(high[l]);
        const int a = bits_of(low[l]), b = bits_of(low[l + 32]);
        levels[l] = static_cast<int8_t>(((a & 15) | (bits & 3) << 4) - 32);
        levels[l + 32] = static_cast<int8_t>(((b & 15) | (bits >> 2 & 3) << 4) - 32);
        levels[l + 64] = static_cast<int8_t>((a >> 4 | (bits >> 4 & 3) << 4) - 32);
        levels[l + 96] = static_cast<int8_t>((b >> 4 | (bits >> 6 & 3) << 4) - 32);
      }
    }
  }
}

void decode_offset_levels(const std::byte* row, size_t cols, int bits, int8_t* levels) {
  const size_t per_byte = 8 / static_cast<size_t>(bits);
  const int mask = (1 << bits) - 1;
  const int offset = 1 << (bits - 1);
  for (size_t c = 0; c < cols; ++c) {
    const int shift = static_cast<int>(c % per_byte) * bits;
    levels[c] = static_cast<int8_t>((bits_of(row[c / per_byte]) >> shift & mask) - offset);
  }
}

void encode_q4_0(const int8_t* levels, const uint16_t* scales_f16, size_t cols, std::byte* row) {
  for (size_t c = 0; c < cols; c += kBlock, row += kQ4Bytes, levels += kBlock) {
    std::memcpy(row, scales_f16++, 2);
    // Eight at a time: the low four bits of level + 8 are those of level with the highest of them flipped.
    for (size_t j = 0; j < kBlock / 2; j += 8) {
      uint64_t low, high;
      std::memcpy(&low, levels + j, sizeof(low));
      std::memcpy(&high, levels + j + kBlock / 2, sizeof(high));
      constexpr uint64_t kLow = 0x0f0f0f0f0f0f0f0fu, kEight = 0x0808080808080808u;
      const uint64_t bytes = ((low & kLow) ^ kEight) | ((high & kLow) ^ kEight) << 4;
      std::memcpy(row + 2 + j, &bytes, sizeof(bytes));
    }
  }
}

void encode_q8_0(const int8_t* levels, const uint16_t* scales_f16, size_t cols, std::byte* row) {
  for (size_t c = 0; c < cols; c += kBlock, row += kQ8Bytes, levels += kBlock) {
    std::memcpy(row, scales_f16++, 2);
    std::memcpy(row + 2, levels, kBlock);
  }
}

void encode_offset_levels(const int8_t* levels, size_t cols, int bits, std::byte* row) {
  const size_t per_byte = 8 / static_cast<size_t>(bits);
  const int offset = 1 << (bits - 1);
  std::memset(row, 0, (cols + per_byte - 1) / per_byte);
  for (size_t c = 0; c < cols; ++c) {
    row[c / per_byte] |=
        static_cast<std::byte>((levels[c] + offset) << (static_cast<int>(c % per_byte) * bits));
  }
}

}  // namespace gemma::kernels
