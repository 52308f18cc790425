// How a product of many tokens is cut where unpacking a panel pays: which panels, columns and tokens meet
// when. It holds no instruction of any target; what a target and a format do is the Kernel's.
//
// A block is up to kBlockPanels panels by kBlockGroups groups of columns. It is unpacked once, to a byte a
// level in the order the target multiplies, and every tile of tokens reads it from the first-level cache. A
// tile's activations are put in order once too, for all panels of the block. Sums wait in memory between
// blocks. While a block is multiplied the next one is asked for (ahead.h).
//
//   Kernel::kTileTokens                                4 or more; others are half of it and a quarter
//   Kernel::Block, Tile, Total                         one panel's unpacked groups; a tile's activations; a
//   sum group_bytes(w)                                     what 32 columns of a panel take, packed
//   unpack(packed, groups, block)
//   arrange<T>(acts, token, tokens, group, groups, tile)
//       the activations of T tokens, of which `tokens` exist (the others are 0), and of some groups of
//       columns
//   multiply<T>(block, tile, groups, totals)           adds to the totals (T, 16), which begin at 0
//   store(w, acts, panel, token, tokens, totals, rows, out, out_stride)
//       the first `rows` outputs of these tokens; in what order the totals lie is the Kernel's affair
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "kernels/activations.h"
#include "kernels/ahead.h"
#include "kernels/matrix.h"

namespace gemma::kernels {

// Unpacked 4 x 8 groups are 16 KiB.
inline constexpr size_t kBlockPanels = 4;
inline constexpr size_t kBlockGroups = 8;
// Tokens whose sums wait in memory: 16 KiB a panel.
inline constexpr size_t kRunTokens = 256;

// Calls tile<T>(first token) for tokens [0, n). The last tile of a quarter may reach beyond n.
template <size_t MaxT, typename Call>
inline void for_each_token_tile(size_t n, const Call& tile) {
  size_t t = 0;
  for (; t + MaxT <= n; t += MaxT) tile.template operator()<MaxT>(t);
  if (t + MaxT / 2 <= n) tile.template operator()<MaxT / 2>(t), t += MaxT / 2;
  for (; t < n; t += MaxT / 4) tile.template operator()<MaxT / 4>(t);
}

template <typename Kernel>
void multiply_many_tokens(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                          size_t out_stride) {
  constexpr size_t kMaxT = Kernel::kTileTokens;
  typename Kernel::Block blocks[kBlockPanels];
  typename Kernel::Tile tile;
  alignas(64) typename Kernel::Total totals[kBlockPanels][kRunTokens * kPanelRows];
  const size_t groups = (w.cols + kGroup - 1) / kGroup, group_bytes = Kernel::group_bytes(w);
  const auto packed = [&](size_t panel, size_t group) {
    return w.data + (panel * groups + group) * group_bytes;
  };
  for (size_t row = row0; row < row1; row += kBlockPanels * kPanelRows) {
    const size_t panel = row / kPanelRows;
    const size_t panels = std::min(kBlockPanels, (row1 - row + kPanelRows - 1) / kPanelRows);
    for (size_t token = 0; token < acts.tokens; token += kRunTokens) {
      const size_t n = std::min(kRunTokens, acts.tokens - token);
      const size_t whole_tiles = (n + kMaxT - 1) / kMaxT * kMaxT;
      for (size_t p = 0; p < panels; ++p) {
        std::fill_n(totals[p], std::min(whole_tiles, kRunTokens) * kPanelRows, 0);
      }
      for (size_t group = 0; group < groups; group += kBlockGroups) {
        const size_t count = std::min(kBlockGroups, groups - group);
        // The block after this one: of the same panels or of the next ones.
        const bool last = group + count == groups;
        const auto ahead_of = [&](size_t p) {
          const std::byte* next =
              last ? packed(panel + kBlockPanels + p, 0) : packed(panel + p, group + count);
          return Ahead(next, kBlockGroups * group_bytes, n / kMaxT);
        };
        static_assert(kBlockPanels == 4);
        std::array<Ahead, kBlockPanels> ahead = {ahead_of(0), ahead_of(1), ahead_of(2), ahead_of(3)};
        for (size_t p = 0; p < panels; ++p) Kernel::unpack(packed(panel + p, group), count, blocks[p]);
        for_each_token_tile<kMaxT>(n, [&]<size_t T>(size_t t) {
          Kernel::template arrange<T>(acts, token + t, std::min(T, n - t), group, count, tile);
          for (size_t p = 0; p < panels; ++p) {
            ahead[p].fetch_share();
            Kernel::template multiply<T>(blocks[p], tile, count, totals[p] + t * kPanelRows);
          }
        });
      }
      for (size_t p = 0; p < panels; ++p) {
        const size_t first_row = row + p * kPanelRows;
        Kernel::store(w, acts, panel + p, token, n, totals[p], std::min(kPanelRows, row1 - first_row),
                      out + token * out_stride + first_row, out_stride);
      }
    }
  }
}

}  // namespace gemma::kernels
