#if defined(__x86_64__)

#include "kernels/avx512vnni/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

constexpr size_t kGroupLines = kGroup / 4;

// Adds `lines` lines of 4 columns, alternating between two sums of a token. Weights are signed as stored.
template <size_t T>
GEMMA_AVX512_INLINE void multiply_lines(const std::byte* line, size_t lines, const uint8_t* x,
                                        size_t x_stride, __m512i (&even)[T], __m512i (&odd)[T]) {
  size_t l = 0;
  for (; l + 2 <= lines; l += 2, line += 2 * kLine, x += 8) {
    const __m512i weights0 = load(line), weights1 = load(line + kLine);
    prefetch<T>(line);
    prefetch<T>(line + kLine);
    for (size_t t = 0; t < T; ++t) {
      even[t] = _mm512_dpbusd_epi32(even[t], broadcast4(x + t * x_stride), weights0);
      odd[t] = _mm512_dpbusd_epi32(odd[t], broadcast4(x + t * x_stride + 4), weights1);
    }
  }
  if (l < lines) {
    const __m512i weights = load(line);
    for (size_t t = 0; t < T; ++t) {
      even[t] = _mm512_dpbusd_epi32(even[t], broadcast4(x + t * x_stride), weights);
    }
  }
}

struct Int8Static {
  template <size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                size_t rows, float* out, size_t out_stride) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * kGroupLines;
    const size_t whole = w.cols / 4, left = w.cols % 4;
    const std::byte* data = w.data + panel * lines * kLine;
    const uint8_t* x = acts.u + token * w.cols;

    __m512i even[T], odd[T];
    begin_sums<T>(w, panel, even, odd);
    multiply_lines<T>(data, whole, x, w.cols, even, odd);
    if (left > 0) {
      // Columns of padding have weight 0, whatever the activation.
      uint8_t last[T][4] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols + whole * 4, left);
      multiply_lines<T>(data + whole * kLine, 1, last[0], 4, even, odd);
    }
    store_outputs<T>(w, panel, even, odd, rows, out, out_stride);
  }
};

}  // namespace

void matmul_int8_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  for_each_tile<Int8Static>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
