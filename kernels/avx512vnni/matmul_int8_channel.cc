#if defined(__x86_64__)

#include "kernels/avx512vnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

constexpr size_t kGroupLines = kGroup / 4;

// Adds `lines` lines of 4 columns to the int32 sums, alternating between two sums of a token.
template <size_t T>
GEMMA_AVX512_INLINE void multiply_lines(const std::byte* line, size_t lines, const int8_t* x, size_t x_stride,
                                        __m512i (&even)[T], __m512i (&odd)[T]) {
  const __m512i sign_bits = _mm512_set1_epi8(-128);
  size_t i = 0;
  for (; i + 2 <= lines; i += 2, line += 2 * kLine, x += 8) {
    const __m512i weights0 = _mm512_xor_si512(load(line), sign_bits);
    const __m512i weights1 = _mm512_xor_si512(load(line + kLine), sign_bits);
    if constexpr (T > 1) {  // alone, one token leaves the hardware time enough
      prefetch<T>(line);
      prefetch<T>(line + kLine);
    }
    for (size_t t = 0; t < T; ++t) {
      even[t] = _mm512_dpbusd_epi32(even[t], weights0, broadcast4(x + t * x_stride));
      odd[t] = _mm512_dpbusd_epi32(odd[t], weights1, broadcast4(x + t * x_stride + 4));
    }
  }
  if (i < lines) {
    const __m512i weights = _mm512_xor_si512(load(line), sign_bits);
    for (size_t t = 0; t < T; ++t) {
      even[t] = _mm512_dpbusd_epi32(even[t], weights, broadcast4(x + t * x_stride));
    }
  }
}

struct Int8Channel {
  template <size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                size_t rows, float* out, size_t out_stride) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * kGroupLines;
    const size_t whole = w.cols / 4;
    const std::byte* line = w.data + panel * lines * kLine;
    const int8_t* x = acts.q + token * w.cols;

    __m512i even[T], odd[T];
    for (size_t t = 0; t < T; ++t) {
      even[t] = _mm512_set1_epi32(-128 * acts.sums[token + t]);
      odd[t] = _mm512_setzero_si512();
    }
    multiply_lines<T>(line, whole, x, w.cols, even, odd);
    if (w.cols % 4 != 0) {
      int8_t last[T][4] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols + whole * 4, w.cols % 4);
      multiply_lines<T>(line + whole * kLine, 1, last[0], 4, even, odd);
    }
    const __m512 scales = _mm512_loadu_ps(w.scales + panel * kPanelRows);
    for (size_t t = 0; t < T; ++t) {
      const __m512 isum = _mm512_cvtepi32_ps(_mm512_add_epi32(even[t], odd[t]));
      const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(acts.scales[token + t]));
      store_rows(_mm512_mul_ps(isum, scale), rows, out + t * out_stride);
    }
  }
};

}  // namespace

void matmul_int8_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  for_each_tile<Int8Channel>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
