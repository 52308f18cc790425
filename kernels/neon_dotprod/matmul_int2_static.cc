#include "kernels/integer_kernels.h"
#include "kernels/neon_dotprod/static_panel.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {
namespace {

constexpr size_t kColumns = 16;  // of a register of activations
constexpr size_t kLines = 1;     // that hold as many

template <size_t T>
GEMMA_DOTPROD_INLINE void multiply_columns(const std::byte* line, const int8x16_t (&columns)[T],
                                           int32x4_t (&sums)[T][kQuarters]) {
  const uint8x16_t mask = vdupq_n_u8(3);
  const int8x16_t two = vdupq_n_s8(2);
  for (size_t i = 0; i < kQuarters; ++i) {
    const uint8x16_t packed = load_nibbles(line + i * 16);
    const int8x16_t first = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(packed, mask)), two);
    const int8x16_t second = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(packed, 2), mask)), two);
    const int8x16_t third = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(packed, 4), mask)), two);
    const int8x16_t fourth = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(packed, 6)), two);
    for (size_t t = 0; t < T; ++t) {
      sums[t][i] = vdotq_laneq_s32(sums[t][i], first, columns[t], 0);
      sums[t][i] = vdotq_laneq_s32(sums[t][i], second, columns[t], 1);
      sums[t][i] = vdotq_laneq_s32(sums[t][i], third, columns[t], 2);
      sums[t][i] = vdotq_laneq_s32(sums[t][i], fourth, columns[t], 3);
    }
  }
}

struct Int2Static {
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

void matmul_int2_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  for_each_tile<Int2Static>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::neon_dotprod

#endif
