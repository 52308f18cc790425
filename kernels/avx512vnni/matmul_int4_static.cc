#if defined(__x86_64__)

#include "kernels/avx512vnni/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

template <size_t T>
GEMMA_AVX512_INLINE void multiply_group_static(const std::byte* lines, const uint8_t* x, size_t x_stride,
                                               __m512i (&low_sums)[T], __m512i (&high_sums)[T]) {
  const __m512i nibble = _mm512_set1_epi8(15), eight = _mm512_set1_epi8(8);
#pragma GCC unroll 4
  for (size_t line = 0; line < 4; ++line) {
    const __m512i packed = load(lines + line * kLine);
    prefetch<T>(lines + line * kLine);
    const __m512i low = _mm512_sub_epi8(_mm512_and_si512(packed, nibble), eight);
    const __m512i high = _mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi16(packed, 4), nibble), eight);
    for (size_t t = 0; t < T; ++t) {
      const uint8_t* columns = x + t * x_stride + line * 8;
      low_sums[t] = _mm512_dpbusd_epi32(low_sums[t], broadcast4(columns), low);
      high_sums[t] = _mm512_dpbusd_epi32(high_sums[t], broadcast4(columns + 4), high);
    }
  }
}

struct Int4Static {
  template <size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                size_t rows, float* out, size_t out_stride) {
    const size_t groups = (w.cols + kGroup - 1) / kGroup;
    const size_t whole = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * kNibbleGroupBytes;
    const uint8_t* x = acts.u + token * w.cols;

    __m512i low[T], high[T];
    begin_sums<T>(w, panel, low, high);
    for (size_t g = 0; g < whole; ++g, group += kNibbleGroupBytes, x += kGroup) {
      multiply_group_static<T>(group, x, w.cols, low, high);
    }
    if (whole < groups) {
      // Columns of padding have weight 0, whatever the activation.
      uint8_t last[T][kGroup] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols, w.cols - whole * kGroup);
      multiply_group_static<T>(group, last[0], kGroup, low, high);
    }
    store_outputs<T>(w, panel, low, high, rows, out, out_stride);
  }
};

}  // namespace

void matmul_int4_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  for_each_tile<Int4Static>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
