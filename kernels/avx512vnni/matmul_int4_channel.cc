#if defined(__x86_64__)

#include "kernels/avx512vnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

struct Int4Channel {
  template <size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                size_t rows, float* out, size_t out_stride) {
    const size_t groups = (w.cols + kGroup - 1) / kGroup;
    const size_t whole = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * kNibbleGroupBytes;
    const int8_t* x = acts.q + token * w.cols;

    __m512i low[T], high[T];
    for (size_t t = 0; t < T; ++t) {
      low[t] = _mm512_set1_epi32(-8 * acts.sums[token + t]);
      high[t] = _mm512_setzero_si512();
    }
    for (size_t g = 0; g < whole; ++g, group += kNibbleGroupBytes, x += kGroup) {
      multiply_group<T>(group, x, w.cols, low, high);
    }
    if (whole < groups) {
      // Columns of padding are nibble 8 times activation 0; they are in no sum of activations either.
      int8_t last[T][kGroup] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols, w.cols - whole * kGroup);
      multiply_group<T>(group, last[0], kGroup, low, high);
    }
    const __m512 scales = _mm512_loadu_ps(w.scales + panel * kPanelRows);
    for (size_t t = 0; t < T; ++t) {
      const __m512 isum = _mm512_cvtepi32_ps(_mm512_add_epi32(low[t], high[t]));
      const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(acts.scales[token + t]));
      store_rows(_mm512_mul_ps(isum, scale), rows, out + t * out_stride);
    }
  }
};

}  // namespace

void matmul_int4_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  for_each_tile<Int4Channel>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
