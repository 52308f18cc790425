#if defined(__x86_64__)

#include "kernels/avx512vnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

constexpr size_t kGroupLines = kGroup / 4;

// Adds `lines` lines of 4 columns.
template <size_t P, size_t T>
GEMMA_AVX512_INLINE void multiply_lines(const std::byte* line, size_t apart, size_t lines, const int8_t* x,
                                        size_t x_stride, Sums<P, T>& sums) {
  const __m512i sign_bits = _mm512_set1_epi8(-128);
  for (; lines >= 2; lines -= 2, line += 2 * kLine, x += 8) {
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 2
      for (size_t i = 0; i < 2; ++i) {
        const std::byte* panel_line = line + p * apart + i * kLine;
        const __m512i weights = _mm512_xor_si512(load(panel_line), sign_bits);
        ask_ahead<P, T>(panel_line);
        for (size_t t = 0; t < T; ++t) sums.add(i, p, t, weights, broadcast4(x + t * x_stride + i * 4));
      }
    }
  }
  if (lines == 0) return;
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    const __m512i weights = _mm512_xor_si512(load(line + p * apart), sign_bits);
    for (size_t t = 0; t < T; ++t) sums.add(0, p, t, weights, broadcast4(x + t * x_stride));
  }
}

struct Int8Channel {
  static constexpr size_t kPanels = 1;

  template <size_t P, size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * kGroupLines;
    const size_t whole = w.cols / 4;
    const size_t apart = at.apart * lines * kLine;
    const std::byte* line = w.data + at.panel * lines * kLine;
    const int8_t* x = acts.q + at.token * w.cols;

    Sums<P, T> sums;
    for (size_t t = 0; t < T; ++t) {
      const __m512i zero = _mm512_set1_epi32(-128 * acts.sums[at.token + t]);
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) sums.begin(p, t, zero);
    }
    multiply_lines(line, apart, whole, x, w.cols, sums);
    if (w.cols % 4 != 0) {
      int8_t last[T][4] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols + whole * 4, w.cols % 4);
      multiply_lines(line + whole * kLine, apart, 1, last[0], 4, sums);
    }
    store_scaled(w, acts, at, sums);
  }
};

}  // namespace

void matmul_int8_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  for_each_tile<Int8Channel>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
