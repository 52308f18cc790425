#if defined(__x86_64__)

#include "kernels/avx512vnni/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

constexpr size_t kGroupLines = kGroup / 4;

// Adds `lines` lines of 4 columns. Weights are signed as stored.
template <size_t P, size_t T>
GEMMA_AVX512_INLINE void multiply_lines(const std::byte* line, size_t apart, size_t lines, const uint8_t* x,
                                        size_t x_stride, Sums<P, T>& sums) {
  for (; lines >= 2; lines -= 2, line += 2 * kLine, x += 8) {
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 2
      for (size_t i = 0; i < 2; ++i) {
        const std::byte* panel_line = line + p * apart + i * kLine;
        const __m512i weights = load(panel_line);
        ask_ahead<P, T>(panel_line);
        for (size_t t = 0; t < T; ++t) sums.add(i, p, t, broadcast4(x + t * x_stride + i * 4), weights);
      }
    }
  }
  if (lines == 0) return;
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    const __m512i weights = load(line + p * apart);
    for (size_t t = 0; t < T; ++t) sums.add(0, p, t, broadcast4(x + t * x_stride), weights);
  }
}

struct Int8Static {
  static constexpr size_t kPanels = 1;

  template <size_t P, size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * kGroupLines;
    const size_t whole = w.cols / 4, left = w.cols % 4;
    const size_t apart = at.apart * lines * kLine;
    const std::byte* data = w.data + at.panel * lines * kLine;
    const uint8_t* x = acts.u + at.token * w.cols;

    Sums<P, T> sums;
    begin_sums(w, at, sums);
    multiply_lines(data, apart, whole, x, w.cols, sums);
    if (left > 0) {
      // Columns of padding have weight 0, whatever the activation.
      uint8_t last[T][4] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols + whole * 4, left);
      multiply_lines(data + whole * kLine, apart, 1, last[0], 4, sums);
    }
    store_outputs(w, at, sums);
  }
};

}  // namespace

void matmul_int8_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  for_each_tile<Int8Static>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
