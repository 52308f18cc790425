// How one token reads a matrix: in several runs of panels side by side, each a stream of memory. It holds no
// instruction of any target; what is multiplied is the Kernel's.
//
// Memory gives more to several streams than to one: two Zen 5 cores read 62 GB/s in one stream each, 69 to 76
// in four (docs/decisions/007).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/activations.h"
#include "kernels/matrix.h"

namespace gemma::kernels {

// Panels that one token reads side by side, each the next of a long run.
inline constexpr size_t kStreams = 4;

// A hint for weights that a tile of some panels and tokens will want soon, as far ahead as measured best: one
// token takes a line in some nanoseconds. In each of four streams it asks three times, for the queues in which
// requests wait are short, and what finds one full seems to be dropped: 3 and 2 KB ahead for the second level of
// the cache, 1 KB ahead for the first. Two cores of an Intel Xeon read 0.97 of what plain reading gives if they ask
// three times, 0.93 if twice, 0.86 if once (docs/decisions/007). It may point beyond the matrix: it never faults.
template <size_t Panels, size_t Tokens>
[[gnu::always_inline]] inline void ask_ahead(const void* line) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(line);
  if constexpr (Panels == kStreams) {
    __builtin_prefetch(reinterpret_cast<const void*>(at + 1024), 0, 3);
    __builtin_prefetch(reinterpret_cast<const void*>(at + 2048), 0, 2);
    __builtin_prefetch(reinterpret_cast<const void*>(at + 3072), 0, 2);
  } else {
    __builtin_prefetch(reinterpret_cast<const void*>(at + (Tokens == 1 ? 4096 : 1024)), 0, 3);
  }
}

// Where a tile lies: some panels from `panel` on, `apart` panels from one to the next, and some tokens from
// `token` on.
struct TilePlace {
  size_t panel, apart, token;
  size_t rows;  // wanted of the last panel; of the others all
  float* out;   // of the first panel and token
  size_t out_stride;
  size_t out_apart = kPanelRows;  // from the results of one panel to those of the next
  // Where their scales stand in the array of the matrix, in panels.
  size_t scales = panel, scales_apart = apart;

  size_t scales_of(size_t p) const { return scales + p * scales_apart; }
  // Of the p'th of some panels.
  size_t rows_of(size_t p, size_t panels) const { return p + 1 < panels ? kPanelRows : rows; }
  float* out_of(size_t p, size_t t) const { return out + t * out_stride + p * out_apart; }
};

// What P runs of up to kPanels panels read and write beside weights, side by side in the cache. Met one at a time
// as the panels are, scales and results are further streams through cold memory, a line of each in every few
// microseconds, and cost more than their bytes: 0.9 of the speed for results (Intel Xeon; asking for them ahead
// gained nothing, docs/decisions/007).
template <size_t P, size_t kPanels>
class GatheredRows {
 public:
  // Of panels [panel, panel + n) and those `apart`, 2 * apart, ... further on. The scales are the factors if the
  // matrix has any, and so a kernel between static scales.
  GatheredRows(const MatrixView& w, size_t panel, size_t apart, size_t n)
      : w_(w), panel_(panel), apart_(apart), n_(n) {
    const float*& scales = w_.statics.factors != nullptr ? w_.statics.factors : w_.scales;
    if (scales == nullptr) return;
    for (size_t p = 0; p < P; ++p) {
      std::copy_n(scales + (panel + p * apart) * kPanelRows, n * kPanelRows, scales_[p]);
    }
    scales = scales_[0];
  }
  GatheredRows(const GatheredRows&) = delete;
  GatheredRows& operator=(const GatheredRows&) = delete;

  const MatrixView& matrix() const { return w_; }
  // Of the i'th panel of each run.
  TilePlace place(size_t i) {
    TilePlace at = {panel_ + i, apart_, 0, kPanelRows, results_[0] + i * kPanelRows, 0, kRun};
    at.scales = i;
    at.scales_apart = kPanels;
    return at;
  }
  void store(float* out) const {
    for (size_t p = 0; p < P; ++p) {
      std::copy_n(results_[p], n_ * kPanelRows, out + (panel_ + p * apart_) * kPanelRows);
    }
  }

 private:
  static constexpr size_t kRun = kPanels * kPanelRows;

  MatrixView w_;
  size_t panel_, apart_, n_;
  alignas(64) float results_[P][kRun], scales_[P][kRun];
};

// Calls Kernel::tile<P, 1>(w, acts, place) for the panels of rows [row0, row1) and the first token: whole
// panels four side by side, then two, then one.
template <typename Kernel>
inline void for_each_stream(const MatrixView& w, const Activations& acts, size_t row0, size_t row1,
                            float* out) {
  constexpr size_t kGathered = 16;  // 8 and 32 are as fast, 64 loses
  size_t row = row0;
  const auto side_by_side = [&]<size_t P>() {
    const size_t apart = (row1 - row) / kPanelRows / P;
    for (size_t first = 0; first < apart; first += kGathered) {
      const size_t n = std::min(kGathered, apart - first);
      GatheredRows<P, kGathered> rows(w, row / kPanelRows + first, apart, n);
      for (size_t i = 0; i < n; ++i) Kernel::template tile<P, 1>(rows.matrix(), acts, rows.place(i));
      rows.store(out);
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
