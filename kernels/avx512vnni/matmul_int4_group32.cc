#if defined(__x86_64__)

#include "kernels/avx512vnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

constexpr size_t kGroupBytes = kNibbleGroupBytes + kPanelRows * sizeof(uint16_t);

struct Int4Group32 {
  static constexpr size_t kPanels = 2;

  template <size_t P, size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    constexpr size_t kChains = P * T < kTileSums ? 2 : 1;
    const size_t groups = w.cols / kGroup;
    const size_t apart = at.apart * groups * kGroupBytes;
    const std::byte* group = w.data + at.panel * groups * kGroupBytes;
    const int8_t* x = acts.q + at.token * w.cols;
    const float* x_scales = acts.scales + at.token * groups;
    const int32_t* x_sums = acts.sums + at.token * groups;

    __m512 total[P][T];
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      for (size_t t = 0; t < T; ++t) total[p][t] = _mm512_setzero_ps();
    }
    for (size_t g = 0; g < groups; ++g, group += kGroupBytes, x += kGroup) {
      Sums<P, T, kChains> sums;
      for (size_t t = 0; t < T; ++t) {
        const __m512i zero = _mm512_set1_epi32(-8 * x_sums[t * groups + g]);
#pragma GCC unroll 4
        for (size_t p = 0; p < P; ++p) sums.begin(p, t, zero);
      }
      multiply_group(group, apart, x, w.cols, sums);
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) {
        const std::byte* stored = group + p * apart + kNibbleGroupBytes;
        ask_ahead<P, T>(stored);
        const __m512 scales = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(stored)));
        for (size_t t = 0; t < T; ++t) {
          const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(x_scales[t * groups + g]));
          total[p][t] = _mm512_add_ps(total[p][t], _mm512_mul_ps(_mm512_cvtepi32_ps(sums.all(p, t)), scale));
        }
      }
    }
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      for (size_t t = 0; t < T; ++t) store_rows(total[p][t], at.rows_of(p, P), at.out_of(p, t));
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
