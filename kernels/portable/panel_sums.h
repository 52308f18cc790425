// The sums of panels without scales inside, which is all their matmuls have in common. Levels are read through
// the layout's own accessor (kernels/pack.h), so that a mistake in a clever variant cannot hide in a shared
// trick.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/activations.h"
#include "kernels/matrix.h"
#include "kernels/pack.h"

namespace gemma::kernels::portable {

// Calls store(row, token, sum over all columns of level * x) for rows [row0, row1) and all tokens. x
// is (tokens, cols).
template <typename Store>
void for_each_sum(const MatrixView& w, size_t tokens, const int8_t* x, size_t row0, size_t row1,
                  const Store& store) {
  constexpr size_t kTile = 16;  // tokens that share one reading of the weights
  for (size_t r = row0; r < row1; ++r) {
    for (size_t first = 0; first < tokens; first += kTile) {
      const size_t n = std::min(kTile, tokens - first);
      int32_t sums[kTile] = {};
      for (size_t c = 0; c < w.cols; c += kGroup) {
        const size_t width = std::min(kGroup, w.cols - c);
        int8_t levels[kGroup];
        panel_levels(w, r, c, width, levels);
        for (size_t t = 0; t < n; ++t) {
          const int8_t* columns = x + (first + t) * w.cols + c;
          for (size_t i = 0; i < width; ++i) sums[t] += levels[i] * columns[i];
        }
      }
      for (size_t t = 0; t < n; ++t) store(r, first + t, sums[t]);
    }
  }
}

}  // namespace gemma::kernels::portable
