#include "kernels/integer_kernels.h"
#include "kernels/neon_dotprod/panel.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {
namespace {

constexpr size_t kGroupLines = kGroup / 4;

// Adds one line of 4 columns, which meet lane L of the activations.
template <size_t T, int L>
GEMMA_DOTPROD_INLINE void multiply_level_line(const std::byte* line, const int8x16_t (&columns)[T],
                                              int32x4_t (&sums)[T][kQuarters]) {
  for (size_t i = 0; i < kQuarters; ++i) {
    const int8x16_t weights = load_levels(line + i * 16);
    for (size_t t = 0; t < T; ++t) sums[t][i] = vdotq_laneq_s32(sums[t][i], weights, columns[t], L);
  }
}

// Adds the 4 lines of 16 columns.
template <size_t T>
GEMMA_DOTPROD_INLINE void multiply_columns(const std::byte* line, const int8_t* x, size_t x_stride,
                                           int32x4_t (&sums)[T][kQuarters]) {
  int8x16_t columns[T];
  for (size_t t = 0; t < T; ++t) columns[t] = vld1q_s8(x + t * x_stride);
  multiply_level_line<T, 0>(line, columns, sums);
  multiply_level_line<T, 1>(line + kLine, columns, sums);
  multiply_level_line<T, 2>(line + 2 * kLine, columns, sums);
  multiply_level_line<T, 3>(line + 3 * kLine, columns, sums);
}

struct Int8Channel {
  template <size_t T>
  GEMMA_DOTPROD static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * kGroupLines;
    const std::byte* line = w.data + panel * lines * kLine;
    const int8_t* x = acts.q + token * w.cols;

    int32x4_t sums[T][kQuarters];
    for (size_t t = 0; t < T; ++t) {
      for (size_t i = 0; i < kQuarters; ++i) sums[t][i] = vdupq_n_s32(0);
    }
    size_t c = 0;
    for (; c + 16 <= w.cols; c += 16, line += 4 * kLine) multiply_columns<T>(line, x + c, w.cols, sums);
    if (c < w.cols) {
      // Lines are padded to 32 columns, activations are not.
      int8_t last[T][16] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols + c, w.cols - c);
      multiply_columns<T>(line, last[0], 16, sums);
    }
    const float* scales = w.scales + panel * kPanelRows;
    for (size_t t = 0; t < T; ++t) {
      store_scaled(sums[t], scales, acts.scales[token + t], rows, out + t * out_stride);
    }
  }
};

}  // namespace

void matmul_int8_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  for_each_tile<Int8Channel>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::neon_dotprod

#endif
