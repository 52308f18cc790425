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

#include "kernels/neon_dotprod/static_panel.h"

#if defined(GEMMA_HAVE_NEON_I8MM)

#if defined(__clang__)
#define GEMMA_I8MM [[gnu::target("dotprod,i8mm")]]
#define GEMMA_I8MM_INLINE [[gnu::target("dotprod,i8mm"), gnu::always_inline]] inline
#else
#define GEMMA_I8MM [[gnu::target("arch=armv8.2-a+dotprod+i8mm")]]
#define GEMMA_I8MM_INLINE [[gnu::target("arch=armv8.2-a+dotprod+i8mm"), gnu::always_inline]] inline
#endif

namespace gemma::kernels::neon_i8mm {

using neon_dotprod::kLine;
using neon_dotprod::kNibbleGroupBytes;
using neon_dotprod::kQuarters;

inline constexpr size_t kColumns = 16;  // of a register of activations

// Tokens that share one reading of the weights: 24 sums, 3 registers of activations and the operands fit 32.
// Where float sums are kept besides, fewer.
inline constexpr size_t kTileTokens = 6;
inline constexpr size_t kGroupTileTokens = 4;

template <size_t T>
using PairSums = int32x4_t[T / 2][2 * kQuarters];

// --- activations ---

GEMMA_I8MM_INLINE int8x16_t load16(const int8_t* x) {
  return vld1q_s8(x);
}
GEMMA_I8MM_INLINE int8x16_t load16(const uint8_t* x) {
  return neon_dotprod::load_columns(x);
}
// The last n < 16 columns, level 0 behind them.
GEMMA_I8MM_INLINE int8x16_t load_last(const int8_t* x, size_t n) {
  int8_t padded[kColumns] = {};
  std::memcpy(padded, x, n);
  return vld1q_s8(padded);
}
GEMMA_I8MM_INLINE int8x16_t load_last(const uint8_t* x, size_t n) {
  return neon_dotprod::load_last_columns(x, n);
}

// 16 columns of T tokens: pairs of tokens with columns 0..7, and with columns 8..15.
template <size_t T>
struct Columns {
  int8x16_t halves[2][T / 2];

  template <typename X>
  GEMMA_I8MM_INLINE void load(const X* x, size_t x_stride, size_t n) {
    for (size_t p = 0; p < T / 2; ++p) {
      const X* first = x + 2 * p * x_stride;
      const X* second = first + x_stride;
      const int8x16_t a = n >= kColumns ? load16(first) : load_last(first, n);
      const int8x16_t b = n >= kColumns ? load16(second) : load_last(second, n);
      const int64x2_t a64 = vreinterpretq_s64_s8(a), b64 = vreinterpretq_s64_s8(b);
      halves[0][p] = vreinterpretq_s8_s64(vtrn1q_s64(a64, b64));
      halves[1][p] = vreinterpretq_s8_s64(vtrn2q_s64(a64, b64));
    }
  }
};

// --- weights: how 16 columns of 4 rows become four registers of 4 columns ---

template <int kOffset>
struct Int4Levels {
  static constexpr size_t kLines = 2;

  GEMMA_I8MM_INLINE static void load(const std::byte* line, size_t quarter, int8x16_t (&levels)[4]) {
    for (size_t l = 0; l < kLines; ++l) {
      const uint8x16_t packed = neon_dotprod::load_nibbles(line + l * kLine + quarter * 16);
      levels[2 * l] = vreinterpretq_s8_u8(vandq_u8(packed, vdupq_n_u8(15)));
      levels[2 * l + 1] = vreinterpretq_s8_u8(vshrq_n_u8(packed, 4));
    }
    if constexpr (kOffset != 0) {
      for (int8x16_t& level : levels) level = vsubq_s8(level, vdupq_n_s8(kOffset));
    }
  }
};

struct Int2Levels {
  static constexpr size_t kLines = 1;

  GEMMA_I8MM_INLINE static void load(const std::byte* line, size_t quarter, int8x16_t (&levels)[4]) {
    const uint8x16_t packed = neon_dotprod::load_nibbles(line + quarter * 16);
    const uint8x16_t mask = vdupq_n_u8(3);
    levels[0] = vreinterpretq_s8_u8(vandq_u8(packed, mask));
    levels[1] = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(packed, 2), mask));
    levels[2] = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(packed, 4), mask));
    levels[3] = vreinterpretq_s8_u8(vshrq_n_u8(packed, 6));
    for (int8x16_t& level : levels) level = vsubq_s8(level, vdupq_n_s8(2));
  }
};

struct Int8Levels {
  static constexpr size_t kLines = 4;

  GEMMA_I8MM_INLINE static void load(const std::byte* line, size_t quarter, int8x16_t (&levels)[4]) {
    for (size_t l = 0; l < kLines; ++l) {
      levels[l] = neon_dotprod::load_levels(line + l * kLine + quarter * 16);
    }
  }
};

// --- products ---

// Adds 16 columns.
template <size_t T, typename Levels>
GEMMA_I8MM_INLINE void multiply_columns(const std::byte* line, const Columns<T>& columns, PairSums<T>& sums) {
  for (size_t i = 0; i < kQuarters; ++i) {
    int8x16_t levels[4];
    Levels::load(line, i, levels);
    for (size_t half = 0; half < 2; ++half) {
      const int32x4_t left = vreinterpretq_s32_s8(levels[2 * half]);
      const int32x4_t right = vreinterpretq_s32_s8(levels[2 * half + 1]);
      const int8x16_t rows01 = vreinterpretq_s8_s32(vzip1q_s32(left, right));
      const int8x16_t rows23 = vreinterpretq_s8_s32(vzip2q_s32(left, right));
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

// Sets the sums to the products of all columns of a panel; its lines begin at `line`.
template <size_t T, typename Levels, typename X>
GEMMA_I8MM_INLINE void multiply_panel(const std::byte* line, size_t cols, const X* x, PairSums<T>& sums) {
  set_zero<T>(sums);
  Columns<T> columns;
  size_t c = 0;
  for (; c + kColumns <= cols; c += kColumns, line += Levels::kLines * kLine) {
    columns.load(x + c, cols, kColumns);
    multiply_columns<T, Levels>(line, columns, sums);
  }
  if (c < cols) {
    columns.load(x + c, cols, cols - c);
    multiply_columns<T, Levels>(line, columns, sums);
  }
}

// The 16 rows of token t, four in a register.
template <size_t T>
GEMMA_I8MM_INLINE void rows_of(const PairSums<T>& sums, size_t t, int32x4_t (&rows)[kQuarters]) {
  for (size_t i = 0; i < kQuarters; ++i) {
    const int32x4_t rows01 = sums[t / 2][2 * i], rows23 = sums[t / 2][2 * i + 1];
    rows[i] = t % 2 == 0 ? vuzp1q_s32(rows01, rows23) : vuzp2q_s32(rows01, rows23);
  }
}

// The activations of one token.
inline Activations token_of(const Activations& acts, size_t token) {
  Activations one = acts;
  const size_t groups = acts.group == 0 ? 0 : acts.cols / acts.group;
  one.tokens = 1;
  if (one.x != nullptr) one.x += token * acts.cols;
  if (one.q != nullptr) one.q += token * acts.cols;
  if (one.u != nullptr) one.u += token * acts.cols;
  if (one.scales != nullptr) one.scales += token * groups;
  if (one.sums != nullptr) one.sums += token * groups;
  return one;
}

using Matmul = void(const MatrixView&, const Activations&, size_t, size_t, float*, size_t);

// Calls Kernel::tile<T>(w, acts, panel, first token, rows wanted, out of that panel and token, out_stride)
// for every panel of rows [row0, row1) and every tile of tokens, of which there are an even number, at most
// MaxT; a last odd one is for `single`. Tokens are the inner loop: a panel is read from memory once.
template <typename Kernel, size_t MaxT>
void for_each_tile(Matmul* single, const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                   float* out, size_t out_stride) {
  for (size_t row = row0; row < row1; row += kPanelRows) {
    const size_t rows = std::min(kPanelRows, row1 - row);
    const size_t panel = row / kPanelRows;
    size_t t = 0;
    for (; t + MaxT <= acts.tokens; t += MaxT) {
      Kernel::template tile<MaxT>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
    for (; t + 2 <= acts.tokens; t += 2) {
      Kernel::template tile<2>(w, acts, panel, t, rows, out + t * out_stride + row, out_stride);
    }
    if (t < acts.tokens) {
      single(w, token_of(acts, t), row, row + rows, out + t * out_stride, out_stride);
    }
  }
}

// --- the kernels with one scale a row and token, and between static scales ---

// Levels are kZero too large.
template <typename Levels, int kZero>
struct ChannelKernel {
  template <size_t T>
  GEMMA_I8MM static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                              size_t rows, float* out, size_t out_stride) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * (kGroup / kColumns) * Levels::kLines;
    PairSums<T> sums;
    multiply_panel<T, Levels>(w.data + panel * lines * kLine, w.cols, acts.q + token * w.cols, sums);
    for (size_t t = 0; t < T; ++t) {
      int32x4_t totals[kQuarters];
      rows_of<T>(sums, t, totals);
      if constexpr (kZero != 0) {
        const int32x4_t zero = vdupq_n_s32(kZero * acts.sums[token + t]);
        for (int32x4_t& total : totals) total = vsubq_s32(total, zero);
      }
      neon_dotprod::store_scaled(totals, w.scales + panel * kPanelRows, acts.scales[token + t], rows,
                                 out + t * out_stride);
    }
  }
};

template <typename Levels>
struct StaticKernel {
  template <size_t T>
  GEMMA_I8MM static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                              size_t rows, float* out, size_t out_stride) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * (kGroup / kColumns) * Levels::kLines;
    PairSums<T> sums;
    multiply_panel<T, Levels>(w.data + panel * lines * kLine, w.cols, acts.u + token * w.cols, sums);
    int32x4_t totals[T][kQuarters];
    for (size_t t = 0; t < T; ++t) rows_of<T>(sums, t, totals[t]);
    neon_dotprod::store_outputs<T>(w, panel, totals, rows, out, out_stride);
  }
};

}  // namespace gemma::kernels::neon_i8mm

#endif
