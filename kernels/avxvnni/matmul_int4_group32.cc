#if defined(__x86_64__)

#include "kernels/avxvnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

template <size_t P, size_t T>
GEMMA_AVXVNNI_INLINE void begin_group(const int32_t* x_sums, size_t groups, Sums<P, T>& sums) {
#pragma GCC unroll 6
  for (size_t t = 0; t < T; ++t) {
    const __m256i begin = _mm256_set1_epi32(-8 * x_sums[t * groups]);
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) sums.begin(p, t, begin);
  }
}

struct Int4Group32 {
  template <size_t P, size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    const size_t groups = w.cols / kGroup;
    const size_t apart = at.apart * groups * avx2::kGroupBytes;
    const std::byte* group = w.data + at.panel * groups * avx2::kGroupBytes;
    const int8_t* x = acts.q + at.token * w.cols;
    const float* x_scales = acts.scales + at.token * groups;
    const int32_t* x_sums = acts.sums + at.token * groups;

    __m256 total[P][T][2] = {};
    for (size_t g = 0; g < groups; ++g, group += avx2::kGroupBytes, x += kGroup) {
      Sums<P, T> sums;
      begin_group(x_sums + g, groups, sums);
      add_nibble_group(group, apart, x, w.cols, sums);
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) {
        const std::byte* scales_of_rows = group + p * apart + kNibbleGroupBytes;
        ask_ahead<P, T>(scales_of_rows);
#pragma GCC unroll 2
        for (size_t half = 0; half < 2; ++half) {
          const std::byte* stored = scales_of_rows + half * avx2::kScaleBytes / 2;
          const __m256 scales = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(stored)));
#pragma GCC unroll 6
          for (size_t t = 0; t < T; ++t) {
            const __m256 isum = _mm256_cvtepi32_ps(sums.total(p, t, half));
            const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(x_scales[t * groups + g]));
            total[p][t][half] = _mm256_add_ps(total[p][t][half], _mm256_mul_ps(isum, scale));
          }
        }
      }
    }
    avx2::store_totals(at, total);
  }
};

struct ManyTokens {
  template <size_t T>
  GEMMA_AVXVNNI static void multiply(const avx2::GroupBlock& block, size_t n, const int8_t* x,
                                     size_t x_stride, const float* x_scales, const int32_t* x_sums,
                                     size_t groups, float* totals) {
    for (size_t g = 0; g < n; ++g, x += kGroup, ++x_scales, ++x_sums) {
      Sums<1, T> sums;
      begin_group(x_sums, groups, sums);
      const std::byte* line = block.bytes[g];
#pragma GCC unroll 8
      for (size_t i = 0; i < avx2::kByteGroupLines; ++i, line += kLine) {
        sums.add(i, 0, load(line), load(line + 32), x + i * 4, x_stride);
      }
      const __m256 scales0 = _mm256_load_ps(block.scales[g]), scales1 = _mm256_load_ps(block.scales[g] + 8);
#pragma GCC unroll 6
      for (size_t t = 0; t < T; ++t) {
        const __m256 x_scale = _mm256_set1_ps(x_scales[t * groups]);
        const __m256 scale0 = _mm256_mul_ps(scales0, x_scale), scale1 = _mm256_mul_ps(scales1, x_scale);
        float* total = totals + t * kPanelRows;
        const __m256 product0 = _mm256_mul_ps(_mm256_cvtepi32_ps(sums.total(0, t, 0)), scale0);
        const __m256 product1 = _mm256_mul_ps(_mm256_cvtepi32_ps(sums.total(0, t, 1)), scale1);
        _mm256_store_ps(total, _mm256_add_ps(_mm256_load_ps(total), product0));
        _mm256_store_ps(total + 8, _mm256_add_ps(_mm256_load_ps(total + 8), product1));
      }
    }
  }
};

}  // namespace

void matmul_int4_group32(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    avx2::multiply_unpacked_groups<avx2::GroupBlock, ManyTokens>(w, acts, row0, row1, out, out_stride);
  } else {
    avx2::for_each_tile<Int4Group32>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avxvnni

#endif
