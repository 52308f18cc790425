#include "kernels/integer_kernels.h"
#include "kernels/neon_dotprod/static_panel.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {
namespace {

constexpr size_t kColumns = 16;  // of a register of activations
constexpr size_t kLines = 4;     // that hold as many

// Adds one line of 4 columns, which meet lane L of the activations.
template <size_t T, int L>
GEMMA_DOTPROD_INLINE void multiply_static_line(const std::byte* line, const int8x16_t (&columns)[T],
                                               int32x4_t (&sums)[T][kQuarters]) {
  for (size_t i = 0; i < kQuarters; ++i) {
    const int8x16_t weights = load_levels(line + i * 16);
    for (size_t t = 0; t < T; ++t) sums[t][i] = vdotq_laneq_s32(sums[t][i], weights, columns[t], L);
  }
}

template <size_t T>
GEMMA_DOTPROD_INLINE void multiply_columns(const std::byte* line, const int8x16_t (&columns)[T],
                                           int32x4_t (&sums)[T][kQuarters]) {
  multiply_static_line<T, 0>(line, columns, sums);
  multiply_static_line<T, 1>(line + kLine, columns, sums);
  multiply_static_line<T, 2>(line + 2 * kLine, columns, sums);
  multiply_static_line<T, 3>(line + 3 * kLine, columns, sums);
}

struct Int8Static {
  template <size_t T>
  GEMMA_DOTPROD static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * (kGroup / kColumns) * kLines;
    const std::byte* line = w.data + panel * lines * kLine;
    const uint8_t* x = acts.u + token * w.cols;

    int32x4_t sums[T][kQuarters];
    begin_sums<T>(sums);
    int8x16_t columns[T];
    size_t c = 0;
    for (; c + kColumns <= w.cols; c += kColumns, line += kLines * kLine) {
      for (size_t t = 0; t < T; ++t) columns[t] = load_columns(x + t * w.cols + c);
      multiply_columns<T>(line, columns, sums);
    }
    if (c < w.cols) {
      for (size_t t = 0; t < T; ++t) columns[t] = load_last_columns(x + t * w.cols + c, w.cols - c);
      multiply_columns<T>(line, columns, sums);
    }
    store_outputs<T>(w, panel, sums, rows, out, out_stride);
  }
};

}  // namespace

void matmul_int8_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  for_each_tile<Int8Static>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::neon_dotprod

#endif
