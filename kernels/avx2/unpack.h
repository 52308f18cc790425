// Panels unpacked to bytes (unpacked_panel.h), one structure a format: `unpack` writes groups [group, group +
// n) of a panel. Each group of 32 columns becomes 8 lines a plane.
#pragma once

#include "kernels/avx2/unpacked_panel.h"

namespace gemma::kernels::avx2 {

// Lines of int4, each of which becomes two lines of bytes: level + 8.
GEMMA_AVX2_INLINE void unpack_nibble_lines(const std::byte* packed, size_t lines, std::byte* bytes) {
  const __m256i nibble = _mm256_set1_epi8(15);
  for (size_t i = 0; i < 2 * lines; ++i) {
    const __m256i pairs = load(packed + i * 32);
    auto* to = reinterpret_cast<__m256i*>(bytes + i / 2 * 2 * kLine + i % 2 * 32);
    _mm256_store_si256(to, _mm256_and_si256(pairs, nibble));
    _mm256_store_si256(to + 2, _mm256_and_si256(_mm256_srli_epi16(pairs, 4), nibble));
  }
}

// 4 bits: level + 8, as stored.
struct Int4Bytes {
  static constexpr size_t kPlanes = 1, kPackedGroup = kNibbleGroupBytes;
  static constexpr int32_t kZero = 8;

  GEMMA_AVX2 static void unpack(const MatrixView& w, size_t panel, size_t group, size_t n, std::byte* bytes) {
    unpack_nibble_lines(packed_group(w, panel, group, kPackedGroup), 4 * n, bytes);
  }
};

// 2 bits: level + 2, as stored. A register of a line is four of bytes: columns 0..3, 4..7, 8..11 and 12..15.
struct Int2Bytes {
  static constexpr size_t kPlanes = 1, kPackedGroup = 2 * kLine;
  static constexpr int32_t kZero = 2;

  GEMMA_AVX2 static void unpack(const MatrixView& w, size_t panel, size_t group, size_t n, std::byte* bytes) {
    constexpr size_t kLines = 2;  // of a group
    const std::byte* packed = packed_group(w, panel, group, kPackedGroup);
    const __m256i pair = _mm256_set1_epi8(3);
    for (size_t i = 0; i < 2 * kLines * n; ++i) {
      __m256i levels = load(packed + i * 32);
      std::byte* to = bytes + i / 2 * 4 * kLine + i % 2 * 32;
      for (size_t columns = 0; columns < 4; ++columns, to += kLine) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm256_and_si256(levels, pair));
        levels = _mm256_srli_epi16(levels, 2);
      }
    }
  }
};

// 8 bits: level + 128.
struct Int8Bytes {
  static constexpr size_t kPlanes = 1, kPackedGroup = kByteGroup;
  static constexpr int32_t kZero = 128;

  GEMMA_AVX2 static void unpack(const MatrixView& w, size_t panel, size_t group, size_t n, std::byte* bytes) {
    const __m256i sign_bits = _mm256_set1_epi8(-128);
    const std::byte* packed = packed_group(w, panel, group, kPackedGroup);
    for (size_t i = 0; i < n * kByteGroup; i += 32) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(bytes + i),
                         _mm256_xor_si256(load(packed + i), sign_bits));
    }
  }
};

// The lower and the upper nibbles of level + 128, of a group of 8 bits.
GEMMA_AVX2_INLINE void split_byte_group(const std::byte* levels, std::byte* lower, std::byte* upper) {
  const __m256i nibble = _mm256_set1_epi8(15), sign_bits = _mm256_set1_epi8(-128);
  for (size_t i = 0; i < kByteGroup; i += 32) {
    const __m256i raised = _mm256_xor_si256(load(levels + i), sign_bits);
    _mm256_store_si256(reinterpret_cast<__m256i*>(lower + i), _mm256_and_si256(raised, nibble));
    _mm256_store_si256(reinterpret_cast<__m256i*>(upper + i),
                       _mm256_and_si256(_mm256_srli_epi16(raised, 4), nibble));
  }
}

// 8 bits as two planes of nibbles.
struct Int8Planes {
  static constexpr size_t kPlanes = 2, kPackedGroup = kByteGroup;
  static constexpr int32_t kZero = 128;

  GEMMA_AVX2 static void unpack(const MatrixView& w, size_t panel, size_t group, size_t n, std::byte* bytes) {
    const std::byte* packed = packed_group(w, panel, group, kPackedGroup);
    for (size_t g = 0; g < n; ++g, packed += kByteGroup, bytes += 2 * kByteGroup) {
      split_byte_group(packed, bytes, bytes + kByteGroup);
    }
  }
};

}  // namespace gemma::kernels::avx2
