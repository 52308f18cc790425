// Many tokens with sdot (kernels/many_tokens.h): a block is unpacked to bytes, lines of 4 columns of 16 rows
// as in a panel of int8. Levels are signed, so sums begin at 0.
//
// The inner step, 16 columns of 16 rows and 4 tokens: 16 loads of weights, 4 of activations, 64 sdot, 1024
// multiply-adds.
#pragma once

#include "kernels/many_tokens.h"
#include "kernels/neon_dotprod/panel.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {

// Fewer tokens multiply the panel as it is packed: unpacking costs what it saves in three tiles.
inline constexpr size_t kManyTokens = 16;

inline constexpr size_t kColumnsBytes = kColumns * kPanelRows;  // of unpacked levels
inline constexpr size_t kBlockColumns = kBlockGroups * kGroup / kColumns;

// 16 columns of a panel, unpacked.
template <typename Levels>
GEMMA_DOTPROD_INLINE void unpack_columns(const std::byte* lines, int8_t* to) {
  for (size_t i = 0; i < kQuarters; ++i) {
    int8x16_t levels[4];
    Levels::load(lines, i, levels);
    for (size_t l = 0; l < 4; ++l) vst1q_s8(to + l * kLine + i * 16, levels[l]);
  }
}

// Columns [begin, end) of T tokens, 16 of each token beside those of the next; (end - begin) is made whole
// groups with level 0.
template <size_t T>
GEMMA_DOTPROD_INLINE void arrange_columns(const int8_t* x, size_t x_stride, size_t begin, size_t end,
                                          int8_t* to) {
  size_t c = begin;
  for (; c + kColumns <= end; c += kColumns, to += T * kColumns) {
    for (size_t t = 0; t < T; ++t) vst1q_s8(to + t * kColumns, load_columns(x + t * x_stride + c));
  }
  for (; c < (end + kGroup - 1) / kGroup * kGroup; c += kColumns, to += T * kColumns) {
    const size_t left = c < end ? end - c : 0;
    for (size_t t = 0; t < T; ++t) {
      vst1q_s8(to + t * kColumns, load_last_columns(x + t * x_stride + end - left, left));
    }
  }
}

// Adds `n` times 16 columns.
template <size_t T>
GEMMA_DOTPROD_INLINE void multiply_unpacked(const int8_t* levels, const int8_t* columns, size_t n,
                                            int32x4_t (&sums)[T][kQuarters]) {
  asm("" : "+r"(n));  // unknown to GCC, which would unroll two and spill
  for (; n > 0; --n, levels += kColumnsBytes, columns += T * kColumns) {
    int8x16_t x[T];
    for (size_t t = 0; t < T; ++t) x[t] = vld1q_s8(columns + t * kColumns);
    multiply_columns<T, Int8Levels>(reinterpret_cast<const std::byte*>(levels), x, sums);
  }
}

// Formats without scales inside.
template <typename Levels, typename Scales>
struct ManyTokens {
  static constexpr size_t kTileTokens = neon_dotprod::kTileTokens;
  using Total = int32_t;
  struct Block {
    alignas(64) int8_t levels[kBlockColumns * kColumnsBytes];
  };
  struct Tile {
    alignas(64) int8_t columns[kBlockColumns * kTileTokens * kColumns];
  };

  static size_t group_bytes(const MatrixView&) { return kGroup / kColumns * Levels::kLines * kLine; }

  GEMMA_DOTPROD static void unpack(const std::byte* packed, size_t groups, Block& block) {
    for (size_t c = 0; c < groups * (kGroup / kColumns); ++c) {
      unpack_columns<Levels>(packed + c * Levels::kLines * kLine, block.levels + c * kColumnsBytes);
    }
  }

  template <size_t T>
  GEMMA_DOTPROD static void arrange(const Activations& acts, size_t token, size_t, size_t group,
                                    size_t groups, Tile& tile) {
    const size_t end = std::min(acts.cols, (group + groups) * kGroup);
    arrange_columns<T>(acts.q + token * acts.cols, acts.cols, group * kGroup, end, tile.columns);
  }

  template <size_t T>
  GEMMA_DOTPROD static void multiply(const Block& block, const Tile& tile, size_t groups, int32_t* totals) {
    int32x4_t sums[T][kQuarters];
    for (size_t t = 0; t < T; ++t) {
      for (size_t i = 0; i < kQuarters; ++i) sums[t][i] = vld1q_s32(totals + t * kPanelRows + i * 4);
    }
    multiply_unpacked<T>(block.levels, tile.columns, groups * (kGroup / kColumns), sums);
    for (size_t t = 0; t < T; ++t) {
      for (size_t i = 0; i < kQuarters; ++i) vst1q_s32(totals + t * kPanelRows + i * 4, sums[t][i]);
    }
  }

  GEMMA_DOTPROD static void store(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                  size_t tokens, const int32_t* totals, size_t rows, float* out,
                                  size_t out_stride) {
    for (size_t t = 0; t < tokens; ++t, totals += kPanelRows, out += out_stride) {
      const int32x4_t begin = vdupq_n_s32(begin_of<Levels>(acts, token + t));
      int32x4_t sums[kQuarters];
      for (size_t i = 0; i < kQuarters; ++i) sums[i] = vaddq_s32(vld1q_s32(totals + i * 4), begin);
      Scales::store(w, acts, panel, token + t, sums, rows, out);
    }
  }
};

// Formats with scales inside.
template <typename Format>
struct ManyTokensGroups {
  using Levels = typename Format::Levels;
  static_assert(Levels::kZero == 0);
  static constexpr size_t kTileTokens = neon_dotprod::kTileTokens;
  static constexpr size_t kSteps = Format::kGroupColumns / kColumns;        // of 16 columns, in a group
  static constexpr size_t kScalesInGroup = kGroup / Format::kGroupColumns;  // for 32 columns
  using Total = float;
  struct Block {
    alignas(64) int8_t levels[kBlockColumns * kColumnsBytes];
    alignas(64) float scales[kBlockGroups * kScalesInGroup * kPanelRows];
  };
  struct Tile {
    alignas(64) int8_t columns[kBlockColumns * kTileTokens * kColumns];
    float scales[kBlockGroups * kTileTokens];
  };

  static size_t group_bytes(const MatrixView&) { return kScalesInGroup * Format::kBytes; }

  GEMMA_DOTPROD static void unpack(const std::byte* packed, size_t groups, Block& block) {
    int8_t* to = block.levels;
    for (size_t g = 0; g < groups * kScalesInGroup; ++g, packed += Format::kBytes) {
      for (size_t s = 0; s < kSteps; ++s, to += kColumnsBytes) {
        unpack_columns<Levels>(packed + s * Levels::kLines * kLine, to);
      }
      for (size_t i = 0; i < kQuarters; ++i) {
        vst1q_f32(block.scales + g * kPanelRows + i * 4, Format::scales(packed, i));
      }
    }
  }

  template <size_t T>
  GEMMA_DOTPROD static void arrange(const Activations& acts, size_t token, size_t, size_t group,
                                    size_t groups, Tile& tile) {
    arrange_columns<T>(acts.q + token * acts.cols, acts.cols, group * kGroup, (group + groups) * kGroup,
                       tile.columns);
    const size_t x_groups = acts.cols / kGroup;
    for (size_t g = 0; g < groups; ++g) {
      for (size_t t = 0; t < T; ++t) {
        tile.scales[g * T + t] = acts.scales[(token + t) * x_groups + group + g];
      }
    }
  }

  template <size_t T>
  GEMMA_DOTPROD static void multiply(const Block& block, const Tile& tile, size_t groups, float* totals) {
    const int8_t *levels = block.levels, *columns = tile.columns;
    for (size_t g = 0; g < groups * kScalesInGroup; ++g) {
      int32x4_t sums[T][kQuarters];
      for (auto& sum : sums) std::fill_n(sum, kQuarters, vdupq_n_s32(0));
      multiply_unpacked<T>(levels, columns, kSteps, sums);
      levels += kSteps * kColumnsBytes;
      columns += kSteps * T * kColumns;
      const float* x_scales = tile.scales + g / kScalesInGroup * T;
      for (size_t i = 0; i < kQuarters; ++i) {
        const float32x4_t scales = vld1q_f32(block.scales + g * kPanelRows + i * 4);
        for (size_t t = 0; t < T; ++t) {
          float* total = totals + t * kPanelRows + i * 4;
          vst1q_f32(total, add_group(vld1q_f32(total), sums[t][i], scales, vdupq_n_f32(x_scales[t])));
        }
      }
    }
  }

  GEMMA_DOTPROD static void store(const MatrixView&, const Activations&, size_t, size_t, size_t tokens,
                                  const float* totals, size_t rows, float* out, size_t out_stride) {
    for (size_t t = 0; t < tokens; ++t) std::copy_n(totals + t * kPanelRows, rows, out + t * out_stride);
  }
};

// The product for any number of tokens.
template <typename Levels, typename Scales>
void multiply_panels(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                     size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_many_tokens<ManyTokens<Levels, Scales>>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<PanelTile<Levels, Scales>>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::neon_dotprod

#endif
