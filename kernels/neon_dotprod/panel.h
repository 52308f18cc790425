// What the NEON integer kernels with sdot share: a tile of few tokens, which reads the panel as it is packed,
// and how a call is cut into panels and tiles.
//
// sdot multiplies the 4 signed bytes of a row by 4 activations, which it takes from a lane of a register, so
// nothing has to be broadcast, and adds to the row's int32 sum: nothing can overflow.
#pragma once

#include <algorithm>

#include "kernels/neon_dotprod/outputs.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {

// Tokens that share one reading of the weights: 4 x 4 sums, 4 registers of activations and the operands
// fit 32.
inline constexpr size_t kTileTokens = 4;

// Adds 16 columns: sums[t][i] are those of token t and rows 4 * i and on.
template <size_t T, typename Levels>
GEMMA_DOTPROD_INLINE void multiply_columns(const std::byte* lines, const int8x16_t (&columns)[T],
                                           int32x4_t (&sums)[T][kQuarters]) {
  for (size_t i = 0; i < kQuarters; ++i) {
    int8x16_t levels[4];
    Levels::load(lines, i, levels);
    for (size_t t = 0; t < T; ++t) sums[t][i] = vdotq_laneq_s32(sums[t][i], levels[0], columns[t], 0);
    for (size_t t = 0; t < T; ++t) sums[t][i] = vdotq_laneq_s32(sums[t][i], levels[1], columns[t], 1);
    for (size_t t = 0; t < T; ++t) sums[t][i] = vdotq_laneq_s32(sums[t][i], levels[2], columns[t], 2);
    for (size_t t = 0; t < T; ++t) sums[t][i] = vdotq_laneq_s32(sums[t][i], levels[3], columns[t], 3);
  }
}

// Where a panel of a format without scales inside begins.
template <typename Levels>
inline const std::byte* panel_lines(const MatrixView& w, size_t panel) {
  return w.data + panel * ((w.cols + kGroup - 1) / kGroup * (kGroup / kColumns) * Levels::kLines * kLine);
}

// --- tiles: 16 rows of T tokens ---

template <typename Levels, typename Scales>
struct PanelTile {
  template <size_t T>
  GEMMA_DOTPROD static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const std::byte* lines = panel_lines<Levels>(w, panel);
    const int8_t* x = acts.q + token * w.cols;
    int32x4_t sums[T][kQuarters];
    for (size_t t = 0; t < T; ++t) {
      for (int32x4_t& sum : sums[t]) sum = vdupq_n_s32(begin_of<Levels>(acts, token + t));
    }
    int8x16_t columns[T];
    size_t c = 0;
    for (; c + kColumns <= w.cols; c += kColumns, lines += Levels::kLines * kLine) {
      for (size_t t = 0; t < T; ++t) columns[t] = load_columns(x + t * w.cols + c);
      multiply_columns<T, Levels>(lines, columns, sums);
    }
    if (c < w.cols) {
      // Whatever columns of padding hold, it meets level 0.
      for (size_t t = 0; t < T; ++t) columns[t] = load_last_columns(x + t * w.cols + c, w.cols - c);
      multiply_columns<T, Levels>(lines, columns, sums);
    }
    for (size_t t = 0; t < T; ++t) {
      Scales::store(w, acts, panel, token + t, sums[t], rows, out + t * out_stride);
    }
  }
};

template <typename Format>
struct GroupTile {
  template <size_t T>
  GEMMA_DOTPROD static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    using Levels = typename Format::Levels;
    const size_t groups = w.cols / Format::kGroupColumns, x_groups = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * Format::kBytes;
    const int8_t* x = acts.q + token * w.cols;

    float32x4_t totals[T][kQuarters];
    for (auto& total : totals) std::fill_n(total, kQuarters, vdupq_n_f32(0));
    for (size_t g = 0; g < groups; ++g, group += Format::kBytes) {
      const size_t x_group = token * x_groups + g * Format::kGroupColumns / kGroup;
      int32x4_t sums[T][kQuarters];
      for (size_t t = 0; t < T; ++t) {
        const int32_t zero = Levels::kZero == 0 ? 0 : -Levels::kZero * acts.sums[x_group + t * x_groups];
        for (int32x4_t& sum : sums[t]) sum = vdupq_n_s32(zero);
      }
      const std::byte* lines = group;
      size_t left = Format::kGroupColumns;
      if constexpr (T == kTileTokens) asm("" : "+r"(left));  // GCC would unroll what it knows, and spill
      for (; left > 0; left -= kColumns, x += kColumns) {
        int8x16_t columns[T];
        for (size_t t = 0; t < T; ++t) columns[t] = load_columns(x + t * w.cols);
        multiply_columns<T, Levels>(lines, columns, sums);
        lines += Levels::kLines * kLine;
      }
      for (size_t i = 0; i < kQuarters; ++i) {
        const float32x4_t scales = Format::scales(group, i);
        for (size_t t = 0; t < T; ++t) {
          const float32x4_t x_scale = vdupq_n_f32(acts.scales[x_group + t * x_groups]);
          totals[t][i] = add_group(totals[t][i], sums[t][i], scales, x_scale);
        }
      }
    }
    for (size_t t = 0; t < T; ++t) store_rows(totals[t], rows, out + t * out_stride);
  }
};

// Calls Tile::tile<T>(w, acts, panel, first token, rows wanted, out of that panel and token, out_stride) for
// every panel of rows [row0, row1) and every tile of tokens. Tokens are the inner loop: a panel is read from
// memory once and stays in the cache for the others.
template <typename Tile>
inline void for_each_tile(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                          size_t out_stride) {
  for (size_t row = row0; row < row1; row += kPanelRows) {
    const size_t rows = std::min(kPanelRows, row1 - row);
    const size_t panel = row / kPanelRows;
    size_t t = 0;
    for (; t + kTileTokens <= acts.tokens; t += kTileTokens) {
      Tile::template tile<kTileTokens>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
    for (; t + 2 <= acts.tokens; t += 2) {
      Tile::template tile<2>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
    for (; t < acts.tokens; ++t) {
      Tile::template tile<1>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
  }
}

}  // namespace gemma::kernels::neon_dotprod

#endif
