#if defined(__x86_64__)

#include "kernels/avx2/unpacked_groups.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

struct Int4Group32 {
  template <size_t P, size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    const size_t groups = w.cols / kGroup;
    const size_t apart = at.apart * groups * kGroupBytes;
    const std::byte* group = w.data + at.panel * groups * kGroupBytes;
    const int8_t* x = acts.q + at.token * w.cols;
    const float* x_scales = acts.scales + at.token * groups;
    const int32_t* x_sums = acts.sums + at.token * groups;

    __m256 total[P][T][2] = {};
    for (size_t g = 0; g < groups; ++g, group += kGroupBytes, x += kGroup) {
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) {
        __m256i sums[T][2];
        multiply_group<P, T>(group + p * apart, x, w.cols, sums);
        const std::byte* scales_of_rows = group + p * apart + kNibbleGroupBytes;
        ask_ahead<P, T>(scales_of_rows);
#pragma GCC unroll 2
        for (size_t half = 0; half < 2; ++half) {
          const std::byte* stored = scales_of_rows + half * kScaleBytes / 2;
          const __m256 scales = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(stored)));
#pragma GCC unroll 6
          for (size_t t = 0; t < T; ++t) {
            const __m256i zero = _mm256_slli_epi32(_mm256_set1_epi32(x_sums[t * groups + g]), 3);
            const __m256 isum = _mm256_cvtepi32_ps(_mm256_sub_epi32(widen(sums[t][half]), zero));
            const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(x_scales[t * groups + g]));
            total[p][t][half] = _mm256_add_ps(total[p][t][half], _mm256_mul_ps(isum, scale));
          }
        }
      }
    }
    store_totals(at, total);
  }
};

struct ManyTokens {
  template <size_t T>
  GEMMA_AVX2 static void multiply(const GroupBlock& block, size_t n, const int8_t* x, size_t x_stride,
                                  const float* x_scales, const int32_t* x_sums, size_t groups,
                                  float* totals) {
    for (size_t g = 0; g < n; ++g, x += kGroup, ++x_scales, ++x_sums) {
      __m256i sums[T][2];
      multiply_byte_group<T, true>(block.bytes[g], x, x_stride, sums);
      const __m256 scales0 = _mm256_load_ps(block.scales[g]), scales1 = _mm256_load_ps(block.scales[g] + 8);
#pragma GCC unroll 6
      for (size_t t = 0; t < T; ++t) {
        const __m256i zero = _mm256_slli_epi32(_mm256_set1_epi32(x_sums[t * groups]), 3);
        const __m256 x_scale = _mm256_set1_ps(x_scales[t * groups]);
        const __m256 isum0 = _mm256_cvtepi32_ps(_mm256_sub_epi32(widen(sums[t][0]), zero));
        const __m256 isum1 = _mm256_cvtepi32_ps(_mm256_sub_epi32(widen(sums[t][1]), zero));
        const __m256 product0 = _mm256_mul_ps(isum0, _mm256_mul_ps(scales0, x_scale));
        const __m256 product1 = _mm256_mul_ps(isum1, _mm256_mul_ps(scales1, x_scale));
        float* total = totals + t * kPanelRows;
        _mm256_store_ps(total, _mm256_add_ps(product0, _mm256_load_ps(total)));
        _mm256_store_ps(total + 8, _mm256_add_ps(product1, _mm256_load_ps(total + 8)));
      }
    }
  }
};

}  // namespace

void matmul_int4_group32(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_unpacked_groups<GroupBlock, ManyTokens>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<Int4Group32>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
