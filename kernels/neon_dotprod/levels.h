// The two sides of a product as sdot and smmla want them, signed: what lies in the lines of a panel
// (kernels/pack.h has the picture) and 16 activations of a token.
//
// A line is four registers of 4 rows. 16 columns of such 4 rows become four registers, each with 4 columns of
// a row in a lane; kLines lines hold 16 columns, and load(lines, i, levels) reads those of rows 4 * i and on.
#pragma once

#include "kernels/integer_kernels.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/int8_group.h"
#include "kernels/matrix.h"

// Functions carry their instruction set themselves: no file needs a flag of its own.
#if defined(__clang__)
#define GEMMA_DOTPROD [[gnu::target("dotprod")]]
#define GEMMA_DOTPROD_INLINE [[gnu::target("dotprod"), gnu::always_inline]] inline
#else
#define GEMMA_DOTPROD [[gnu::target("arch=armv8.2-a+dotprod")]]
#define GEMMA_DOTPROD_INLINE [[gnu::target("arch=armv8.2-a+dotprod"), gnu::always_inline]] inline
#endif

namespace gemma::kernels::neon_dotprod {

inline constexpr size_t kLine = 64;
inline constexpr size_t kQuarters = 4;  // registers of 4 rows in a panel
inline constexpr size_t kColumns = 16;  // of a register of activations

// --- weights ---

// The nibbles less kOffset: 8 makes them the levels; with 0 they are too large by 8.
template <int kOffset>
struct Int4Levels {
  static constexpr size_t kLines = 2;
  static constexpr int kZero = 8 - kOffset;  // what levels are too large by

  GEMMA_DOTPROD_INLINE static void load(const std::byte* lines, size_t quarter, int8x16_t (&levels)[4]) {
    for (size_t l = 0; l < kLines; ++l) {
      const uint8x16_t packed = vld1q_u8(reinterpret_cast<const uint8_t*>(lines + l * kLine + quarter * 16));
      levels[2 * l] = vreinterpretq_s8_u8(vandq_u8(packed, vdupq_n_u8(15)));
      levels[2 * l + 1] = vreinterpretq_s8_u8(vshrq_n_u8(packed, 4));
    }
    if constexpr (kOffset != 0) {
      for (int8x16_t& level : levels) level = vsubq_s8(level, vdupq_n_s8(kOffset));
    }
  }
};

// As stored, too large by 2.
struct Int2Levels {
  static constexpr size_t kLines = 1;
  static constexpr int kZero = 2;

  GEMMA_DOTPROD_INLINE static void load(const std::byte* line, size_t quarter, int8x16_t (&levels)[4]) {
    const uint8x16_t packed = vld1q_u8(reinterpret_cast<const uint8_t*>(line + quarter * 16));
    const uint8x16_t mask = vdupq_n_u8(3);
    levels[0] = vreinterpretq_s8_u8(vandq_u8(packed, mask));
    levels[1] = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(packed, 2), mask));
    levels[2] = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(packed, 4), mask));
    levels[3] = vreinterpretq_s8_u8(vshrq_n_u8(packed, 6));
  }
};

struct Int8Levels {
  static constexpr size_t kLines = 4;
  static constexpr int kZero = 0;

  GEMMA_DOTPROD_INLINE static void load(const std::byte* lines, size_t quarter, int8x16_t (&levels)[4]) {
    for (size_t l = 0; l < kLines; ++l) {
      levels[l] = vld1q_s8(reinterpret_cast<const int8_t*>(lines + l * kLine + quarter * 16));
    }
  }
};

// --- formats with scales inside: lines of a group of kGroupColumns columns, then its 16 scales ---

template <int kOffset>
struct Int4Group32 {
  using Levels = Int4Levels<kOffset>;
  static constexpr size_t kGroupColumns = kGroup;
  static constexpr size_t kLinesBytes = kGroupColumns / kColumns * Levels::kLines * kLine;
  static constexpr size_t kBytes = kLinesBytes + kPanelRows * sizeof(uint16_t);

  GEMMA_DOTPROD_INLINE static float32x4_t scales(const std::byte* group, size_t quarter) {
    const auto* stored = reinterpret_cast<const uint8_t*>(group + kLinesBytes + quarter * 8);
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(stored)));
  }
};

template <size_t kColumnsOfGroup>
struct Int8Group {
  using Levels = Int8Levels;
  static constexpr size_t kGroupColumns = kColumnsOfGroup;
  static constexpr size_t kLinesBytes = kGroupColumns / kColumns * Levels::kLines * kLine;
  static constexpr size_t kBytes = int8_group_bytes(kGroupColumns);

  GEMMA_DOTPROD_INLINE static float32x4_t scales(const std::byte* group, size_t quarter) {
    const auto* stored = reinterpret_cast<const uint8_t*>(group + kLinesBytes + quarter * 16);
    return vreinterpretq_f32_u8(vld1q_u8(stored));
  }
};

// --- activations: 16 columns of a token ---

GEMMA_DOTPROD_INLINE int8x16_t load_columns(const int8_t* x) {
  return vld1q_s8(x);
}

// The last n < 16 of them, level 0 behind them.
GEMMA_DOTPROD_INLINE int8x16_t load_last_columns(const int8_t* x, size_t n) {
  int8_t padded[kColumns] = {};
  std::memcpy(padded, x, n);
  return load_columns(padded);
}

}  // namespace gemma::kernels::neon_dotprod

#endif
