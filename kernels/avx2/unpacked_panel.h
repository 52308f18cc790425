// How the AVX2 integer kernels multiply many tokens: a panel is unpacked to bytes once, a block of columns at
// a time, and every tile of tokens reads it from the first-level cache.
//
// Unpacked, 4 columns of 16 rows are a line of 64 bytes, as in a panel of int8 (kernels/pack.h). Products of
// an unsigned and a signed byte are summed in int16, which holds a run of lines:
//
//   0..15 with activations -128..127     15 * 128 * 2 * 8 = 30720    8 lines, a group of columns
//   0..3 with activations -128..127      3 * 128 * 2 * 32 = 24576    32 lines
//   0..255 with activations -7..7        255 * 7 * 2 * 8  = 28560    8 lines
//
// A byte that meets 8-bit activations is two planes of nibbles, lower and upper, whose sums are joined when
// they are widened: vpmaddwd by 1 and by 16.
//
// The inner step, 4 columns of 16 rows and 6 tokens: 2 loads of weights, 6 broadcasts, 12 vpmaddubsw and 12
// vpaddw, 384 multiply-adds; 12 registers of sums, 2 of weights, 1 of activations and 1 product are the 16
// there are.
#pragma once

#include "kernels/ahead.h"
#include "kernels/avx2/row_scales.h"

namespace gemma::kernels::avx2 {

// Fewer tokens multiply the panel as it is packed: unpacking costs as much as it saves two tiles.
inline constexpr size_t kManyTokens = 18;
// Columns unpacked at a time: with one plane 1024, 16 KiB, half of a first-level cache.
inline constexpr size_t kBlockGroups = 32;
// Tokens whose sums wait in memory between blocks: 16 KiB.
inline constexpr size_t kRunTokens = 256;

// sums[t][half] (+)= the products of a group of 32 columns, two lanes a row. The empty statements keep GCC
// from gathering products into trees, for which there are no registers; both products before both additions
// is 2 % faster than in turn (the second product takes the register of its activations).
template <size_t T, bool kFirst>
GEMMA_AVX2_INLINE void multiply_byte_group(const std::byte* lines, const int8_t* x, size_t x_stride,
                                           __m256i (&sums)[T][2]) {
#pragma GCC unroll 8
  for (size_t line = 0; line < kByteGroupLines; ++line) {
    const __m256i weights0 = load(lines + line * kLine), weights1 = load(lines + line * kLine + 32);
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      const __m256i columns = broadcast4(x + t * x_stride + line * 4);
      __m256i product0 = _mm256_maddubs_epi16(weights0, columns);
      __m256i product1 = _mm256_maddubs_epi16(weights1, columns);
      asm("" : "+x"(product0), "+x"(product1));
      sums[t][0] = kFirst && line == 0 ? product0 : _mm256_add_epi16(sums[t][0], product0);
      sums[t][1] = kFirst && line == 0 ? product1 : _mm256_add_epi16(sums[t][1], product1);
      asm("" : "+x"(sums[t][0]), "+x"(sums[t][1]));
    }
  }
}

// Adds to the int32 totals (T, 16) what `groups` unpacked groups give. Planes lie one after the other in each
// group; RunGroups groups fit in int16 together.
template <size_t T, size_t Planes, size_t RunGroups>
GEMMA_AVX2 void multiply_byte_groups(const std::byte* bytes, size_t groups, const int8_t* x, size_t x_stride,
                                     int32_t* totals) {
  static_assert(Planes == 1 || RunGroups == 1);
  for (size_t g = 0; g < groups; g += RunGroups) {
#pragma GCC unroll 1
    for (size_t plane = 0; plane < Planes; ++plane) {
      __m256i sums[T][2];
      multiply_byte_group<T, true>(bytes, x, x_stride, sums);
      bytes += kByteGroup;
      x += kGroup;
      if constexpr (RunGroups > 1) {
        for (size_t more = std::min(RunGroups, groups - g) - 1; more > 0; --more) {
          multiply_byte_group<T, false>(bytes, x, x_stride, sums);
          bytes += kByteGroup;
          x += kGroup;
        }
      }
      if (plane + 1 < Planes) x -= kGroup;
      const __m256i factor = _mm256_set1_epi16(plane == 0 ? 1 : 16);
#pragma GCC unroll 6
      for (size_t t = 0; t < T; ++t) {
        for (size_t half = 0; half < 2; ++half) {
          auto* total = reinterpret_cast<__m256i*>(totals + t * kPanelRows + half * 8);
          _mm256_store_si256(total, _mm256_add_epi32(_mm256_madd_epi16(sums[t][half], factor), load(total)));
        }
      }
    }
  }
}

// Calls tile<T>(first token) for tokens [0, n).
template <typename Tile>
inline void for_each_token_tile(size_t n, Ahead ahead, const Tile& tile) {
  size_t t = 0;
  for (; t + kTileTokens <= n; t += kTileTokens) {
    ahead.fetch_share();
    tile.template operator()<kTileTokens>(t);
  }
  if (t + 4 <= n) tile.template operator()<4>(t), t += 4;
  if (t + 2 <= n) tile.template operator()<2>(t), t += 2;
  if (t < n) tile.template operator()<1>(t);
}

// How bytes are multiplied with vpmaddubsw, as multiply_unpacked wants to know it.
template <size_t Planes = 1, size_t RunGroups = 1>
struct Int16Sums {
  template <size_t T>
  static void multiply(const std::byte* bytes, size_t groups, const int8_t* x, size_t x_stride,
                       int32_t* totals) {
    multiply_byte_groups<T, Planes, RunGroups>(bytes, groups, x, x_stride, totals);
  }
};

// Where a group of a panel begins, in formats without scales inside.
inline const std::byte* packed_group(const MatrixView& w, size_t panel, size_t group, size_t group_bytes) {
  return w.data + (panel * ((w.cols + kGroup - 1) / kGroup) + group) * group_bytes;
}

// A product of many tokens, but for the groups with scales of their own.
//   Levels   kPlanes; kPackedGroup, bytes of a packed group; unpack(w, panel, first group, groups, bytes)
//            writes the planes of some groups, unsigned numbers that are kZero too large
//   Sums     multiply<T>(bytes, groups, x, x_stride, totals) adds to the totals (T, 16)
//   Scales   make outputs of sums (row_scales.h)
template <typename Levels, typename Sums, typename Scales>
GEMMA_AVX2 void multiply_unpacked(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                                  float* out, size_t out_stride) {
  constexpr size_t kGroups = kBlockGroups / Levels::kPlanes;
  alignas(64) std::byte bytes[kGroups * Levels::kPlanes * kByteGroup];
  alignas(64) int32_t totals[kRunTokens * kPanelRows];
  const size_t groups = (w.cols + kGroup - 1) / kGroup, whole = w.cols / kGroup;
  for (size_t row = row0; row < row1; row += kPanelRows) {
    const size_t panel = row / kPanelRows, rows = std::min(kPanelRows, row1 - row);
    for (size_t token = 0; token < acts.tokens; token += kRunTokens) {
      const size_t n = std::min(kRunTokens, acts.tokens - token);
      for (size_t t = 0; t < n; ++t) {
        std::fill_n(totals + t * kPanelRows, kPanelRows, -Levels::kZero * acts.sums[token + t]);
      }
      for (size_t g = 0; g < groups; g += kGroups) {
        const size_t count = std::min(kGroups, groups - g), full = std::min(count, whole - g);
        Levels::unpack(w, panel, g, count, bytes);
        const int8_t* x = acts.q + token * w.cols + g * kGroup;
        const std::byte* packed = packed_group(w, panel, g + count, Levels::kPackedGroup);
        const Ahead ahead(packed, kGroups * Levels::kPackedGroup, n / kTileTokens);
        for_each_token_tile(n, ahead, [&]<size_t T>(size_t t) {
          if (g + count == groups) expect_outputs(out + (token + t) * out_stride + row, T, out_stride);
          Sums::template multiply<T>(bytes, full, x + t * w.cols, w.cols, totals + t * kPanelRows);
          if (full == count) return;
          int8_t last[T][kGroup] = {};  // behind the last column there are no activations to read
          for (size_t i = 0; i < T; ++i) {
            std::memcpy(last[i], x + (t + i) * w.cols + full * kGroup, w.cols - whole * kGroup);
          }
          Sums::template multiply<T>(bytes + full * Levels::kPlanes * kByteGroup, 1, last[0], kGroup,
                                     totals + t * kPanelRows);
        });
      }
      for (size_t t = 0; t < n; ++t) {
        const int32_t* sums = totals + t * kPanelRows;
        store_outputs<Scales>(w, acts, panel, token + t, load(sums), load(sums + 8), rows,
                              out + (token + t) * out_stride + row);
      }
    }
  }
}

}  // namespace gemma::kernels::avx2
