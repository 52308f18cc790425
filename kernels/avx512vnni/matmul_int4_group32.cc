#if defined(__x86_64__)

#include "kernels/avx512vnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

constexpr size_t kGroupBytes = kNibbleGroupBytes + kPanelRows * sizeof(uint16_t);

struct Int4Group32 {
  template <size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                size_t rows, float* out, size_t out_stride) {
    const size_t groups = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * kGroupBytes;
    const int8_t* x = acts.q + token * w.cols;
    const float* x_scales = acts.scales + token * groups;
    const int32_t* x_sums = acts.sums + token * groups;

    __m512 total[T];
    for (size_t t = 0; t < T; ++t) total[t] = _mm512_setzero_ps();
    for (size_t g = 0; g < groups; ++g, group += kGroupBytes, x += kGroup) {
      __m512i low[T], high[T];
      for (size_t t = 0; t < T; ++t) {
        low[t] = _mm512_set1_epi32(-8 * x_sums[t * groups + g]);
        high[t] = _mm512_setzero_si512();
      }
      multiply_group<T>(group, x, w.cols, low, high);
      const std::byte* stored = group + kNibbleGroupBytes;
      const __m512 scales = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(stored)));
      for (size_t t = 0; t < T; ++t) {
        const __m512 isum = _mm512_cvtepi32_ps(_mm512_add_epi32(low[t], high[t]));
        const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(x_scales[t * groups + g]));
        total[t] = _mm512_add_ps(total[t], _mm512_mul_ps(isum, scale));
      }
    }
    for (size_t t = 0; t < T; ++t) store_rows(total[t], rows, out + t * out_stride);
  }

  template <size_t T>
  GEMMA_AVX512 static void pair(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                size_t rows, float* out, size_t out_stride) {
    const size_t groups = w.cols / kGroup;
    const std::byte* group[2] = {w.data + panel * groups * kGroupBytes,
                                 w.data + (panel + 1) * groups * kGroupBytes};
    const int8_t* x = acts.q + token * w.cols;
    const float* x_scales = acts.scales + token * groups;
    const int32_t* x_sums = acts.sums + token * groups;

    __m512 total[2][T];
    for (size_t t = 0; t < T; ++t) total[0][t] = total[1][t] = _mm512_setzero_ps();
    for (size_t g = 0; g < groups; ++g, x += kGroup) {
      __m512i sums[2][T];
      for (size_t t = 0; t < T; ++t) {
        sums[0][t] = sums[1][t] = _mm512_set1_epi32(-8 * x_sums[t * groups + g]);
      }
      multiply_group_pair<T>(group, x, w.cols, sums);
      for (size_t p = 0; p < 2; ++p) {
        const std::byte* stored = group[p] + kNibbleGroupBytes;
        const __m512 scales = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(stored)));
        for (size_t t = 0; t < T; ++t) {
          const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(x_scales[t * groups + g]));
          total[p][t] = _mm512_add_ps(total[p][t], _mm512_mul_ps(_mm512_cvtepi32_ps(sums[p][t]), scale));
        }
        group[p] += kGroupBytes;
      }
    }
    for (size_t t = 0; t < T; ++t) {
      store_rows(total[0][t], kPanelRows, out + t * out_stride);
      store_rows(total[1][t], rows - kPanelRows, out + t * out_stride + kPanelRows);
    }
  }
};

}  // namespace

void matmul_int4_group32(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  for_each_tile<Int4Group32>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
