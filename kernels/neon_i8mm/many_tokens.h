// Many tokens with smmla (kernels/many_tokens.h). Blocks and tiles lie as smmla takes them, so that nothing
// is shuffled where they meet:
//
//   block   for every 8 columns 8 registers of rows 2 * i and 2 * i + 1
//   tile    for every 8 columns T / 2 registers of tokens 2 * i and 2 * i + 1
//   totals  for every two tokens 8 registers of rows 2 * i and 2 * i + 1: (row, token), (row, token + 1),
//           (row + 1, token), (row + 1, token + 1); so do the scales, those of rows each twice
//
// The inner step, 8 columns of 8 rows and 8 tokens: 4 loads of weights, 4 of activations, 16 smmla, 512
// multiply-adds; 16 sums, 4 registers of activations and the operands fit 32.
#pragma once

#include "kernels/neon_dotprod/many_tokens.h"
#include "kernels/neon_i8mm/panel.h"

#if defined(GEMMA_HAVE_NEON_I8MM)

namespace gemma::kernels::neon_i8mm {

using neon_dotprod::kBlockColumns;
using neon_dotprod::kColumnsBytes;

// Fewer tokens multiply the panel as it is packed: unpacking costs what it saves in three tiles.
inline constexpr size_t kManyTokens = 16;
inline constexpr size_t kManyTileTokens = 8;

inline constexpr size_t kStepColumns = 8;  // that one smmla multiplies
inline constexpr size_t kStepBytes = kStepColumns * kPanelRows;
inline constexpr size_t kPairs = kPanelRows / 2;       // of rows
inline constexpr size_t kTilePairs = kPairs / 2;       // of rows that are multiplied at a time
inline constexpr size_t kPairTotals = 2 * kPanelRows;  // of two tokens

// 16 columns of a panel, unpacked.
template <typename Levels>
GEMMA_I8MM_INLINE void unpack_columns(const std::byte* lines, int8_t* to) {
  for (size_t i = 0; i < kQuarters; ++i) {
    int8x16_t levels[4];
    Levels::load(lines, i, levels);
    for (size_t half = 0; half < 2; ++half) {
      int8x16_t rows01, rows23;
      join_columns(levels[2 * half], levels[2 * half + 1], rows01, rows23);
      vst1q_s8(to + half * kStepBytes + 2 * i * 16, rows01);
      vst1q_s8(to + half * kStepBytes + (2 * i + 1) * 16, rows23);
    }
  }
}

// Columns [begin, end) of T tokens, `tokens` of which exist; (end - begin) is made whole groups with level 0.
template <size_t T>
GEMMA_I8MM_INLINE void arrange_columns(const int8_t* x, size_t x_stride, size_t tokens, size_t begin,
                                       size_t end, int8_t* to) {
  const size_t padded_end = (end + kGroup - 1) / kGroup * kGroup;
  for (size_t c = begin; c < padded_end; c += kColumns, to += T * kColumns) {
    const size_t left = c < end ? std::min(kColumns, end - c) : 0;
    for (size_t p = 0; p < T / 2; ++p) {
      int8x16_t columns[2] = {vdupq_n_s8(0), vdupq_n_s8(0)};
      for (size_t j = 0; j < 2; ++j) {
        const int8_t* from = x + (2 * p + j) * x_stride;
        if (2 * p + j >= tokens) continue;
        columns[j] = left == kColumns ? neon_dotprod::load_columns(from + c)
                                      : neon_dotprod::load_last_columns(from + std::min(c, end), left);
      }
      int8x16_t low, high;
      join_tokens(columns[0], columns[1], low, high);
      vst1q_s8(to + p * 16, low);
      vst1q_s8(to + (T / 2 + p) * 16, high);
    }
  }
}

// Adds `n` times 8 columns of 4 pairs of rows.
template <size_t T>
GEMMA_I8MM_INLINE void multiply_unpacked(const int8_t* levels, const int8_t* columns, size_t n,
                                         int32x4_t (&sums)[T / 2][kTilePairs]) {
#pragma GCC unroll 1  // more would be spilled
  for (; n > 0; --n, levels += kStepBytes, columns += T * kStepColumns) {
    int8x16_t rows[kTilePairs];
    for (size_t i = 0; i < kTilePairs; ++i) rows[i] = vld1q_s8(levels + i * 16);
    for (size_t p = 0; p < T / 2; ++p) {
      const int8x16_t tokens = vld1q_s8(columns + p * 16);
      for (size_t i = 0; i < kTilePairs; ++i) sums[p][i] = vmmlaq_s32(sums[p][i], rows[i], tokens);
    }
  }
}

// Formats without scales inside.
template <typename Levels, typename Scales>
struct ManyTokens {
  static constexpr size_t kTileTokens = kManyTileTokens;
  using Total = int32_t;
  struct Block {
    alignas(64) int8_t levels[kBlockColumns * kColumnsBytes];
  };
  struct Tile {
    alignas(64) int8_t columns[kBlockColumns * kTileTokens * kColumns];
  };

  static size_t group_bytes(const MatrixView&) { return kGroup / kColumns * Levels::kLines * kLine; }

  GEMMA_I8MM static void unpack(const std::byte* packed, size_t groups, Block& block) {
    for (size_t c = 0; c < groups * (kGroup / kColumns); ++c) {
      unpack_columns<Levels>(packed + c * Levels::kLines * kLine, block.levels + c * kColumnsBytes);
    }
  }

  template <size_t T>
  GEMMA_I8MM static void arrange(const Activations& acts, size_t token, size_t tokens, size_t group,
                                 size_t groups, Tile& tile) {
    const size_t end = std::min(acts.cols, (group + groups) * kGroup);
    arrange_columns<T>(acts.q + token * acts.cols, acts.cols, tokens, group * kGroup, end, tile.columns);
  }

  template <size_t T>
  GEMMA_I8MM static void multiply(const Block& block, const Tile& tile, size_t groups, int32_t* totals) {
    for (size_t first = 0; first < kPairs; first += kTilePairs) {
      int32x4_t sums[T / 2][kTilePairs];
      for (size_t p = 0; p < T / 2; ++p) {
        for (size_t i = 0; i < kTilePairs; ++i) {
          sums[p][i] = vld1q_s32(totals + p * kPairTotals + (first + i) * 4);
        }
      }
      multiply_unpacked<T>(block.levels + first * 16, tile.columns, groups * (kGroup / kStepColumns), sums);
      for (size_t p = 0; p < T / 2; ++p) {
        for (size_t i = 0; i < kTilePairs; ++i) {
          vst1q_s32(totals + p * kPairTotals + (first + i) * 4, sums[p][i]);
        }
      }
    }
  }

  GEMMA_I8MM static void store(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                               size_t tokens, const int32_t* totals, size_t rows, float* out,
                               size_t out_stride) {
    for (size_t t = 0; t < tokens; ++t, out += out_stride) {
      int32x4_t pairs[kPairs], sums[kQuarters];
      for (size_t i = 0; i < kPairs; ++i) pairs[i] = vld1q_s32(totals + t / 2 * kPairTotals + i * 4);
      rows_of(pairs, t % 2 != 0, neon_dotprod::begin_of<Levels>(acts, token + t), sums);
      Scales::store(w, acts, panel, token + t, sums, rows, out);
    }
  }
};

// Formats with scales inside.
template <typename Format>
struct ManyTokensGroups {
  using Levels = typename Format::Levels;
  static_assert(Levels::kZero == 0);
  static constexpr size_t kTileTokens = kManyTileTokens;
  static constexpr size_t kScalesInGroup = kGroup / Format::kGroupColumns;  // for 32 columns
  using Total = float;
  struct Block {
    alignas(64) int8_t levels[kBlockColumns * kColumnsBytes];
    alignas(64) float scales[kBlockGroups * kScalesInGroup * kPairs * 4];
  };
  struct Tile {
    alignas(64) int8_t columns[kBlockColumns * kTileTokens * kColumns];
    alignas(8) float scales[kBlockGroups * kTileTokens];
  };

  static size_t group_bytes(const MatrixView&) { return kScalesInGroup * Format::kBytes; }

  GEMMA_I8MM static void unpack(const std::byte* packed, size_t groups, Block& block) {
    int8_t* to = block.levels;
    float* scales_to = block.scales;
    for (size_t g = 0; g < groups * kScalesInGroup; ++g, packed += Format::kBytes) {
      const std::byte* lines = packed;
      for (size_t c = 0; c < Format::kGroupColumns; c += kColumns, to += kColumnsBytes) {
        unpack_columns<Levels>(lines, to);
        lines += Levels::kLines * kLine;
      }
      for (size_t i = 0; i < kQuarters; ++i, scales_to += 8) {
        const float32x4_t scales = Format::scales(packed, i);
        vst1q_f32(scales_to, vzip1q_f32(scales, scales));
        vst1q_f32(scales_to + 4, vzip2q_f32(scales, scales));
      }
    }
  }

  template <size_t T>
  GEMMA_I8MM static void arrange(const Activations& acts, size_t token, size_t tokens, size_t group,
                                 size_t groups, Tile& tile) {
    arrange_columns<T>(acts.q + token * acts.cols, acts.cols, tokens, group * kGroup,
                       (group + groups) * kGroup, tile.columns);
    const size_t x_groups = acts.cols / kGroup;
    for (size_t g = 0; g < groups; ++g) {
      for (size_t t = 0; t < T; ++t) {
        tile.scales[g * T + t] = t < tokens ? acts.scales[(token + t) * x_groups + group + g] : 0;
      }
    }
  }

  template <size_t T>
  GEMMA_I8MM static void multiply(const Block& block, const Tile& tile, size_t groups, float* totals) {
    constexpr size_t kSteps = Format::kGroupColumns / kStepColumns;
    for (size_t g = 0; g < groups * kScalesInGroup; ++g) {
      float32x4_t x_scales[T / 2];  // of two tokens, twice
      for (size_t p = 0; p < T / 2; ++p) {
        const float32x2_t two = vld1_f32(tile.scales + g / kScalesInGroup * T + 2 * p);
        x_scales[p] = vcombine_f32(two, two);
      }
      for (size_t first = 0; first < kPairs; first += kTilePairs) {
        int32x4_t sums[T / 2][kTilePairs];
        for (auto& sum : sums) std::fill_n(sum, kTilePairs, vdupq_n_s32(0));
        multiply_unpacked<T>(block.levels + g * kSteps * kStepBytes + first * 16,
                             tile.columns + g * kSteps * T * kStepColumns, kSteps, sums);
        for (size_t i = 0; i < kTilePairs; ++i) {
          const float32x4_t scales = vld1q_f32(block.scales + (g * kPairs + first + i) * 4);
          for (size_t p = 0; p < T / 2; ++p) {
            float* total = totals + p * kPairTotals + (first + i) * 4;
            vst1q_f32(total, neon_dotprod::add_group(vld1q_f32(total), sums[p][i], scales, x_scales[p]));
          }
        }
      }
    }
  }

  GEMMA_I8MM static void store(const MatrixView&, const Activations&, size_t, size_t, size_t tokens,
                               const float* totals, size_t rows, float* out, size_t out_stride) {
    for (size_t t = 0; t < tokens; ++t, out += out_stride) {
      const float* pairs = totals + t / 2 * kPairTotals + t % 2;
      for (size_t r = 0; r < rows; ++r) out[r] = pairs[2 * r];
    }
  }
};

// The products for any number of tokens. `single` is the kernel of neon_dotprod, for a last odd token of few.
template <typename Levels, typename Scales>
void multiply_panels(Matmul* single, const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                     float* out, size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_many_tokens<ManyTokens<Levels, Scales>>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<PanelTile<Levels, Scales>, kTileTokens>(single, w, acts, row0, row1, out, out_stride);
  }
}

template <typename FewFormat, typename ManyFormat>
void multiply_groups(Matmul* single, const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                     float* out, size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_many_tokens<ManyTokensGroups<ManyFormat>>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<GroupTile<FewFormat>, kGroupTileTokens>(single, w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::neon_i8mm

#endif
