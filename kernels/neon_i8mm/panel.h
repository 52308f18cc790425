// What the NEON kernels with smmla share. smmla multiplies 2 rows of 8 columns by 2 tokens of 8 columns: 32
// multiply-adds into four int32 sums, twice those of sdot; nothing can overflow.
//
// In a panel 4 rows of columns 0..3 are one register and the same rows of columns 4..7 another; zip1 and zip2
// of their 32-bit lanes are rows 0, 1 and rows 2, 3 of all 8 columns. Two tokens' columns are joined by trn1
// and trn2 of 64-bit lanes. A tile's sums are registers of (row, row + 1) x (token, token + 1); uzp1 and uzp2
// put 4 rows of a token together at the end, and from there on everything is as with sdot.
//
// The inner step, 8 columns of 4 rows and 6 tokens, for int4: a load, 2 to unpack, 2 zips, 6 smmla. A last
// odd token goes to the kernel of neon_dotprod.
#pragma once

#include "kernels/neon_dotprod/outputs.h"
#include "kernels/neon_dotprod/panel.h"

#if defined(GEMMA_HAVE_NEON_I8MM)

#if defined(__clang__)
#define GEMMA_I8MM [[gnu::target("dotprod,i8mm")]]
#define GEMMA_I8MM_INLINE [[gnu::target("dotprod,i8mm"), gnu::always_inline]] inline
#else
#define GEMMA_I8MM [[gnu::target("arch=armv8.2-a+dotprod+i8mm")]]
#define GEMMA_I8MM_INLINE [[gnu::target("arch=armv8.2-a+dotprod+i8mm"), gnu::always_inline]] inline
#endif

namespace gemma::kernels::neon_i8mm {

using neon_dotprod::kColumns;
using neon_dotprod::kLine;
using neon_dotprod::kQuarters;

// Tokens that share one reading of the weights: 24 sums, 3 registers of activations and the operands fit 32.
// Where float sums are kept besides, fewer.
inline constexpr size_t kTileTokens = 6;
inline constexpr size_t kGroupTileTokens = 4;

template <size_t T>
using PairSums = int32x4_t[T / 2][2 * kQuarters];

// Columns 0..7 and 8..15 of two tokens.
GEMMA_I8MM_INLINE void join_tokens(int8x16_t first, int8x16_t second, int8x16_t& low, int8x16_t& high) {
  const int64x2_t a = vreinterpretq_s64_s8(first), b = vreinterpretq_s64_s8(second);
  low = vreinterpretq_s8_s64(vtrn1q_s64(a, b));
  high = vreinterpretq_s8_s64(vtrn2q_s64(a, b));
}

// Rows 0, 1 and rows 2, 3 of 8 columns.
GEMMA_I8MM_INLINE void join_columns(int8x16_t left, int8x16_t right, int8x16_t& rows01, int8x16_t& rows23) {
  const int32x4_t a = vreinterpretq_s32_s8(left), b = vreinterpretq_s32_s8(right);
  rows01 = vreinterpretq_s8_s32(vzip1q_s32(a, b));
  rows23 = vreinterpretq_s8_s32(vzip2q_s32(a, b));
}

// 16 columns of T tokens: pairs of tokens with columns 0..7, and with columns 8..15.
template <size_t T>
struct Columns {
  int8x16_t halves[2][T / 2];

  GEMMA_I8MM_INLINE void load(const int8_t* x, size_t x_stride) {
    for (size_t p = 0; p < T / 2; ++p) {
      const int8_t* first = x + 2 * p * x_stride;
      join_tokens(neon_dotprod::load_columns(first), neon_dotprod::load_columns(first + x_stride),
                  halves[0][p], halves[1][p]);
    }
  }
  GEMMA_I8MM_INLINE void load_last(const int8_t* x, size_t x_stride, size_t n) {
    for (size_t p = 0; p < T / 2; ++p) {
      const int8_t* first = x + 2 * p * x_stride;
      join_tokens(neon_dotprod::load_last_columns(first, n),
                  neon_dotprod::load_last_columns(first + x_stride, n), halves[0][p], halves[1][p]);
    }
  }
};

// Adds 16 columns.
template <size_t T, typename Levels>
GEMMA_I8MM_INLINE void multiply_columns(const std::byte* lines, const Columns<T>& columns,
                                        PairSums<T>& sums) {
  for (size_t i = 0; i < kQuarters; ++i) {
    int8x16_t levels[4];
    Levels::load(lines, i, levels);
    for (size_t half = 0; half < 2; ++half) {
      int8x16_t rows01, rows23;
      join_columns(levels[2 * half], levels[2 * half + 1], rows01, rows23);
      for (size_t p = 0; p < T / 2; ++p) {
        sums[p][2 * i] = vmmlaq_s32(sums[p][2 * i], rows01, columns.halves[half][p]);
        sums[p][2 * i + 1] = vmmlaq_s32(sums[p][2 * i + 1], rows23, columns.halves[half][p]);
      }
    }
  }
}

template <size_t T>
GEMMA_I8MM_INLINE void set_zero(PairSums<T>& sums) {
  for (auto& pair : sums) {
    for (int32x4_t& sum : pair) sum = vdupq_n_s32(0);
  }
}

// The 16 rows of the first or the second token of a pair, four in a register, and `begin` added to each.
GEMMA_I8MM_INLINE void rows_of(const int32x4_t (&sums)[2 * kQuarters], bool second, int32_t begin,
                               int32x4_t (&rows)[kQuarters]) {
  for (size_t i = 0; i < kQuarters; ++i) {
    const int32x4_t rows01 = sums[2 * i], rows23 = sums[2 * i + 1];
    const int32x4_t sum = second ? vuzp2q_s32(rows01, rows23) : vuzp1q_s32(rows01, rows23);
    rows[i] = vaddq_s32(sum, vdupq_n_s32(begin));
  }
}

// --- tiles: 16 rows of T tokens ---

template <typename Levels, typename Scales>
struct PanelTile {
  template <size_t T>
  GEMMA_I8MM static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                              size_t rows, float* out, size_t out_stride) {
    const std::byte* lines = neon_dotprod::panel_lines<Levels>(w, panel);
    const int8_t* x = acts.q + token * w.cols;
    PairSums<T> sums;
    set_zero<T>(sums);
    Columns<T> columns;
    size_t c = 0;
    for (; c + kColumns <= w.cols; c += kColumns, lines += Levels::kLines * kLine) {
      columns.load(x + c, w.cols);
      multiply_columns<T, Levels>(lines, columns, sums);
    }
    if (c < w.cols) {
      columns.load_last(x + c, w.cols, w.cols - c);
      multiply_columns<T, Levels>(lines, columns, sums);
    }
    for (size_t t = 0; t < T; ++t) {
      int32x4_t totals[kQuarters];
      rows_of(sums[t / 2], t % 2 != 0, neon_dotprod::begin_of<Levels>(acts, token + t), totals);
      Scales::store(w, acts, panel, token + t, totals, rows, out + t * out_stride);
    }
  }
};

template <typename Format>
struct GroupTile {
  template <size_t T>
  GEMMA_I8MM static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                              size_t rows, float* out, size_t out_stride) {
    using Levels = typename Format::Levels;
    const size_t groups = w.cols / Format::kGroupColumns, x_groups = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * Format::kBytes;
    const int8_t* x = acts.q + token * w.cols;

    float32x4_t totals[T][kQuarters];
    for (auto& total : totals) std::fill_n(total, kQuarters, vdupq_n_f32(0));
    for (size_t g = 0; g < groups; ++g, group += Format::kBytes) {
      const size_t x_group = token * x_groups + g * Format::kGroupColumns / kGroup;
      PairSums<T> sums;
      set_zero<T>(sums);
      const std::byte* lines = group;
      for (size_t c = 0; c < Format::kGroupColumns; c += kColumns, x += kColumns) {
        Columns<T> columns;
        columns.load(x, w.cols);
        multiply_columns<T, Levels>(lines, columns, sums);
        lines += Levels::kLines * kLine;
      }
      float32x4_t scales[kQuarters];
      for (size_t i = 0; i < kQuarters; ++i) scales[i] = Format::scales(group, i);
      for (size_t t = 0; t < T; ++t) {
        const size_t at = x_group + t * x_groups;
        int32x4_t isums[kQuarters];
        rows_of(sums[t / 2], t % 2 != 0, Levels::kZero == 0 ? 0 : -Levels::kZero * acts.sums[at], isums);
        const float32x4_t x_scale = vdupq_n_f32(acts.scales[at]);
        for (size_t i = 0; i < kQuarters; ++i) {
          totals[t][i] = neon_dotprod::add_group(totals[t][i], isums[i], scales[i], x_scale);
        }
      }
    }
    for (size_t t = 0; t < T; ++t) neon_dotprod::store_rows(totals[t], rows, out + t * out_stride);
  }
};

// The activations of one token.
inline Activations token_of(const Activations& acts, size_t token) {
  Activations one = acts;
  const size_t groups = acts.group == 0 ? 0 : acts.cols / acts.group;
  one.tokens = 1;
  if (one.x != nullptr) one.x += token * acts.cols;
  if (one.q != nullptr) one.q += token * acts.cols;
  if (one.scales != nullptr) one.scales += token * groups;
  if (one.sums != nullptr) one.sums += token * groups;
  return one;
}

using Matmul = void(const MatrixView&, const Activations&, size_t, size_t, float*, size_t);

// Calls Tile::tile<T>(w, acts, panel, first token, rows wanted, out of that panel and token, out_stride) for
// every panel of rows [row0, row1) and every tile of tokens, of which there are an even number, at most MaxT;
// a last odd one is for `single`. Tokens are the inner loop: a panel is read from memory once.
template <typename Tile, size_t MaxT>
void for_each_tile(Matmul* single, const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                   float* out, size_t out_stride) {
  for (size_t row = row0; row < row1; row += kPanelRows) {
    const size_t rows = std::min(kPanelRows, row1 - row);
    const size_t panel = row / kPanelRows;
    size_t t = 0;
    for (; t + MaxT <= acts.tokens; t += MaxT) {
      Tile::template tile<MaxT>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
    for (; t + 2 <= acts.tokens; t += 2) {
      Tile::template tile<2>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
    if (t < acts.tokens) {
      single(w, token_of(acts, t), row, row + rows, out + t * out_stride, out_stride);
    }
  }
}

}  // namespace gemma::kernels::neon_i8mm

#endif
