#include "kernels/integer_kernels.h"
#include "kernels/neon_dotprod/static_panel.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {
namespace {

constexpr size_t kColumns = 16;  // of a register of activations
constexpr size_t kLines = 2;     // that hold as many

// Adds one line: columns 0..3 meet lane L of the activations, columns 4..7 lane L + 1.
template <size_t T, int L>
GEMMA_DOTPROD_INLINE void multiply_static_line(const std::byte* line, const int8x16_t (&columns)[T],
                                               int32x4_t (&sums)[T][kQuarters]) {
  const int8x16_t eight = vdupq_n_s8(8);
  for (size_t i = 0; i < kQuarters; ++i) {
    const uint8x16_t packed = load_nibbles(line + i * 16);
    const int8x16_t low = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(packed, vdupq_n_u8(15))), eight);
    const int8x16_t high = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(packed, 4)), eight);
    for (size_t t = 0; t < T; ++t) {
      sums[t][i] = vdotq_laneq_s32(sums[t][i], low, columns[t], L);
      sums[t][i] = vdotq_laneq_s32(sums[t][i], high, columns[t], L + 1);
    }
  }
}

template <size_t T>
GEMMA_DOTPROD_INLINE void multiply_columns(const std::byte* line, const int8x16_t (&columns)[T],
                                           int32x4_t (&sums)[T][kQuarters]) {
  multiply_static_line<T, 0>(line, columns, sums);
  multiply_static_line<T, 2>(line + kLine, columns, sums);
}

struct Int4Static {
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

void matmul_int4_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  for_each_tile<Int4Static>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::neon_dotprod

#endif
