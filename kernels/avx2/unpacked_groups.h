// How many tokens are multiplied by groups with scales of their own: as in unpacked_panel.h a block of a
// panel is unpacked once for all tiles of tokens. Totals wait as float32 between blocks, so the order of
// additions is that of the definition.
#pragma once

#include "kernels/avx2/unpack.h"

namespace gemma::kernels::avx2 {

inline constexpr size_t kScaleBytes = kPanelRows * sizeof(uint16_t);
inline constexpr size_t kGroupBytes = kNibbleGroupBytes + kScaleBytes;

// Groups of int4, unpacked, and their scales as float32.
struct GroupBlock {
  static constexpr size_t kGroups = kBlockGroups, kPackedGroup = kGroupBytes;
  alignas(64) std::byte bytes[kGroups][kByteGroup];
  alignas(32) float scales[kGroups][kPanelRows];

  GEMMA_AVX2 void unpack(const std::byte* group, size_t n) {
    for (size_t g = 0; g < n; ++g, group += kGroupBytes) {
      unpack_nibble_lines(group, 4, bytes[g]);
      for (size_t half = 0; half < 2; ++half) {
        const std::byte* stored = group + kNibbleGroupBytes + half * kScaleBytes / 2;
        _mm256_store_ps(scales[g] + half * 8,
                        _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(stored))));
      }
    }
  }
};

GEMMA_AVX2 inline void store_totals(const float* totals, size_t rows, float* out) {
  store_rows(_mm256_load_ps(totals), _mm256_load_ps(totals + 8), rows, out);
}

// Block has kGroups, the most groups of 32 columns it holds, and kPackedGroup, the bytes of one in a panel;
// unpack(first packed group, n) fills it. Multiply is multiply<T>(block, n, x, x_stride, x_scales, x_sums,
// groups, totals): adds n groups to the totals (T, 16). What belongs to a token is x_stride or `groups`
// further on than what belongs to the one before.
template <typename Block, typename Multiply>
void multiply_unpacked_groups(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                              float* out, size_t out_stride) {
  const size_t groups = w.cols / kGroup;
  Block block;
  alignas(64) float totals[kRunTokens * kPanelRows];
  for (size_t row = row0; row < row1; row += kPanelRows) {
    const std::byte* panel = w.data + row / kPanelRows * groups * Block::kPackedGroup;
    for (size_t token = 0; token < acts.tokens; token += kRunTokens) {
      const size_t count = std::min(kRunTokens, acts.tokens - token);
      std::fill_n(totals, count * kPanelRows, 0.0f);
      for (size_t g = 0; g < groups; g += Block::kGroups) {
        const size_t n = std::min(Block::kGroups, groups - g);
        block.unpack(panel + g * Block::kPackedGroup, n);
        const Ahead ahead(panel + (g + n) * Block::kPackedGroup, Block::kGroups * Block::kPackedGroup,
                          count / kTileTokens);
        for_each_token_tile(count, ahead, [&]<size_t T>(size_t t) {
          if (g + n == groups) expect_outputs(out + (token + t) * out_stride + row, T, out_stride);
          const size_t first = (token + t) * groups + g;
          Multiply::template multiply<T>(block, n, acts.q + (token + t) * w.cols + g * kGroup, w.cols,
                                         acts.scales + first, acts.sums + first, groups,
                                         totals + t * kPanelRows);
        });
      }
      for (size_t t = 0; t < count; ++t) {
        store_totals(totals + t * kPanelRows, std::min(kPanelRows, row1 - row),
                     out + (token + t) * out_stride + row);
      }
    }
  }
}

}  // namespace gemma::kernels::avx2
