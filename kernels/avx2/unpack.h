// Panels unpacked to bytes (unpacked_panel.h), one structure a format: `unpack` writes groups [group, group +
// n) of a panel. Each group of 32 columns becomes 8 lines a plane.
#pragma once

#include "kernels/avx2/unpacked_panel.h"

namespace gemma::kernels::avx2 {

// Lines of int4, each of which becomes two lines of bytes, less kOffset.
template <int kOffset>
GEMMA_AVX2_INLINE void unpack_nibble_lines(const std::byte* packed, size_t lines, std::byte* bytes) {
  const __m256i nibble = _mm256_set1_epi8(15), offset = _mm256_set1_epi8(kOffset);
  for (size_t i = 0; i < 2 * lines; ++i) {
    const __m256i pairs = load(packed + i * 32);
    __m256i low = _mm256_and_si256(pairs, nibble);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(pairs, 4), nibble);
    if constexpr (kOffset != 0) low = _mm256_sub_epi8(low, offset), high = _mm256_sub_epi8(high, offset);
    auto* to = reinterpret_cast<__m256i*>(bytes + i / 2 * 2 * kLine + i % 2 * 32);
    _mm256_store_si256(to, low);
    _mm256_store_si256(to + 2, high);
  }
}

// 4 bits: the nibble less kOffset. 0 leaves it unsigned, 8 makes it the level.
template <int kOffset>
struct Int4Bytes {
  static constexpr size_t kPlanes = 1, kPackedGroup = kNibbleGroupBytes;

  GEMMA_AVX2 static void unpack(const MatrixView& w, size_t panel, size_t group, size_t n, std::byte* bytes) {
    unpack_nibble_lines<kOffset>(packed_group(w, panel, group, kPackedGroup), 4 * n, bytes);
  }
};

// 2 bits: the level. A register of a line is four of bytes: columns 0..3, 4..7, 8..11 and 12..15.
struct Int2Bytes {
  static constexpr size_t kPlanes = 1, kPackedGroup = 2 * kLine;

  GEMMA_AVX2 static void unpack(const MatrixView& w, size_t panel, size_t group, size_t n, std::byte* bytes) {
    constexpr size_t kLines = 2;  // of a group
    const std::byte* packed = packed_group(w, panel, group, kPackedGroup);
    const __m256i pair = _mm256_set1_epi8(3), two = _mm256_set1_epi8(2);
    for (size_t i = 0; i < 2 * kLines * n; ++i) {
      __m256i levels = load(packed + i * 32);
      std::byte* to = bytes + i / 2 * 4 * kLine + i % 2 * 32;
      for (size_t columns = 0; columns < 4; ++columns, to += kLine) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(to),
                           _mm256_sub_epi8(_mm256_and_si256(levels, pair), two));
        levels = _mm256_srli_epi16(levels, 2);
      }
    }
  }
};

// 8 bits: the unsigned byte level + 128.
struct Int8Bytes {
  static constexpr size_t kPlanes = 1, kPackedGroup = kByteGroup;

  GEMMA_AVX2 static void unpack(const MatrixView& w, size_t panel, size_t group, size_t n, std::byte* bytes) {
    const __m256i sign_bits = _mm256_set1_epi8(-128);
    const std::byte* packed = packed_group(w, panel, group, kPackedGroup);
    for (size_t i = 0; i < n * kByteGroup; i += 32) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(bytes + i),
                         _mm256_xor_si256(load(packed + i), sign_bits));
    }
  }
};

}  // namespace gemma::kernels::avx2
