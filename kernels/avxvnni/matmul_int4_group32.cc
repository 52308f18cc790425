#if defined(__x86_64__)

#include "kernels/avxvnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

template <size_t T>
GEMMA_AVXVNNI_INLINE void begin_group(const int32_t* x_sums, size_t groups, Sums<T>& sums) {
  for (size_t t = 0; t < T; ++t) sums.begin(t, -8 * x_sums[t * groups]);
}

struct Int4Group32 {
  template <size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const size_t groups = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * avx2::kGroupBytes;
    const int8_t* x = acts.q + token * w.cols;
    const float* x_scales = acts.scales + token * groups;
    const int32_t* x_sums = acts.sums + token * groups;

    __m256 total[T][2];
    for (size_t t = 0; t < T; ++t) total[t][0] = total[t][1] = _mm256_setzero_ps();
    for (size_t g = 0; g < groups; ++g, group += avx2::kGroupBytes, x += kGroup) {
      Sums<T> sums;
      begin_group<T>(x_sums + g, groups, sums);
      add_nibble_group<T, Unsigned::kWeights, 0>(group, x, w.cols, sums);
      for (size_t half = 0; half < 2; ++half) {
        const std::byte* stored = group + kNibbleGroupBytes + half * avx2::kScaleBytes / 2;
        const __m256 scales = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(stored)));
        for (size_t t = 0; t < T; ++t) {
          const __m256 isum = _mm256_cvtepi32_ps(sums.total(t, half));
          const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(x_scales[t * groups + g]));
          total[t][half] = _mm256_add_ps(total[t][half], _mm256_mul_ps(isum, scale));
        }
      }
    }
    for (size_t t = 0; t < T; ++t) {
      avx2::store_rows(total[t][0], total[t][1], rows, out + t * out_stride);
    }
  }
};

struct ManyTokens {
  template <size_t T>
  GEMMA_AVXVNNI static void multiply(const avx2::GroupBlock& block, size_t n, const int8_t* x,
                                     size_t x_stride, const float* x_scales, const int32_t* x_sums,
                                     size_t groups, float* totals) {
    for (size_t g = 0; g < n; ++g, x += kGroup, ++x_scales, ++x_sums) {
      Sums<T> sums;
      begin_group<T>(x_sums, groups, sums);
      const std::byte* line = block.bytes[g];
#pragma GCC unroll 8
      for (size_t i = 0; i < avx2::kByteGroupLines; ++i, line += kLine) {
        sums.template add<Unsigned::kWeights>(i, load(line), load(line + 32), x + i * 4, x_stride);
      }
      const __m256 scales0 = _mm256_load_ps(block.scales[g]), scales1 = _mm256_load_ps(block.scales[g] + 8);
      for (size_t t = 0; t < T; ++t) {
        const __m256 x_scale = _mm256_set1_ps(x_scales[t * groups]);
        const __m256 scale0 = _mm256_mul_ps(scales0, x_scale), scale1 = _mm256_mul_ps(scales1, x_scale);
        float* total = totals + t * kPanelRows;
        const __m256 product0 = _mm256_mul_ps(_mm256_cvtepi32_ps(sums.total(t, 0)), scale0);
        const __m256 product1 = _mm256_mul_ps(_mm256_cvtepi32_ps(sums.total(t, 1)), scale1);
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
