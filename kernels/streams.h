// How one token reads a matrix: in several runs of panels side by side, each a stream of memory. It holds no
// instruction of any target; what is multiplied is the Kernel's.
//
// Memory gives more to several streams than to one: two Zen 5 cores read 62 GB/s in one stream each, 69 to 76
// in four (docs/decisions/007).
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/activations.h"
#include "kernels/matrix.h"

namespace gemma::kernels {

// Panels that one token reads side by side, each the next of a long run.
inline constexpr size_t kStreams = 4;

// Where a tile lies: some panels from `panel` on, `apart` panels from one to the next, and some tokens from
// `token` on.
struct TilePlace {
  size_t panel, apart, token;
  size_t rows;  // wanted of the last panel; of the others all
  float* out;   // of the first panel and token
  size_t out_stride;

  size_t panel_of(size_t p) const { return panel + p * apart; }
  // Of the p'th of some panels.
  size_t rows_of(size_t p, size_t panels) const { return p + 1 < panels ? kPanelRows : rows; }
  float* out_of(size_t p, size_t t) const { return out + t * out_stride + p * apart * kPanelRows; }
};

// Calls Kernel::tile<P, 1>(w, acts, place) for the panels of rows [row0, row1) and the first token: whole
// panels four side by side, then two, then one.
template <typename Kernel>
inline void for_each_stream(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                            float* out) {
  size_t row = row0;
  const auto side_by_side = [&]<size_t P>() {
    const size_t apart = (row1 - row) / kPanelRows / P;
    for (size_t i = 0; i < apart; ++i) {
      const size_t first = row + i * kPanelRows;
      Kernel::template tile<P, 1>(w, acts, {first / kPanelRows, apart, 0, kPanelRows, out + first, 0});
    }
    row += P * apart * kPanelRows;
  };
  side_by_side.template operator()<kStreams>();
  side_by_side.template operator()<2>();
  for (; row < row1; row += kPanelRows) {
    const size_t rows = std::min(kPanelRows, row1 - row);
    Kernel::template tile<1, 1>(w, acts, {row / kPanelRows, 0, 0, rows, out + row, 0});
  }
}

}  // namespace gemma::kernels
