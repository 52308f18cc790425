#if defined(__x86_64__)

#include "kernels/avx2/panel.h"
#include "kernels/int8_group.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

// Lines of 4 columns whose int16 products may be added before they are widened: |w| times |x| <= 127, in
// pairs. 8-bit levels: 2 * 128 * 127 = 32512, one line. 6-bit levels: 2 * 32 * 127 = 8128, four lines =
// 32512.
constexpr size_t kLinesOf8Bits = 1;
constexpr size_t kLinesOf6Bits = 4;

// Adds `Lines` lines to the int32 sums. As in matmul_int8_channel.cc the unsigned side is |w|, and its sign
// moves to the activation.
template <size_t T, size_t Lines>
GEMMA_AVX2_INLINE void multiply_lines(const std::byte* line, const int8_t* x, size_t x_stride,
                                      __m256i (&total)[T][2]) {
  __m256i sums[T][2];
  for (size_t t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
  for (size_t i = 0; i < Lines; ++i, line += kLine, x += 4) {
    prefetch<T>(line);
    const __m256i weights0 = load(line), weights1 = load(line + 32);
    const __m256i magnitudes0 = _mm256_abs_epi8(weights0), magnitudes1 = _mm256_abs_epi8(weights1);
    for (size_t t = 0; t < T; ++t) {
      const __m256i columns = broadcast4(x + t * x_stride);
      multiply_add(sums[t][0], magnitudes0, _mm256_sign_epi8(columns, weights0));
      multiply_add(sums[t][1], magnitudes1, _mm256_sign_epi8(columns, weights1));
    }
  }
  for (size_t t = 0; t < T; ++t) {
    total[t][0] = _mm256_add_epi32(total[t][0], widen(sums[t][0]));
    total[t][1] = _mm256_add_epi32(total[t][1], widen(sums[t][1]));
  }
}

template <size_t Lines>
struct Int8Group {
  template <size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                              size_t rows, float* out, size_t out_stride) {
    const size_t groups = w.cols / w.group;
    const size_t x_groups = w.cols / kGroup;
    const size_t group_lines = w.group / 4;
    const std::byte* group = w.data + panel * groups * int8_group_bytes(w.group);
    const int8_t* x = acts.q + token * w.cols;
    const float* x_scales = acts.scales + token * x_groups;

    __m256 total[T][2];
    for (size_t t = 0; t < T; ++t) total[t][0] = total[t][1] = _mm256_setzero_ps();
    for (size_t g = 0; g < groups; ++g, x += w.group) {
      __m256i sums[T][2];
      for (size_t t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
      for (size_t i = 0; i < group_lines; i += Lines, group += Lines * kLine) {
        multiply_lines<T, Lines>(group, x + i * 4, w.cols, sums);
      }
      const float* stored = reinterpret_cast<const float*>(group);  // read by unaligned loads only
      for (size_t half = 0; half < 2; ++half) {
        const __m256 scales = _mm256_loadu_ps(stored + half * 8);
        for (size_t t = 0; t < T; ++t) {
          const float x_scale = x_scales[t * x_groups + g * w.group / kGroup];
          const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(x_scale));
          total[t][half] =
              _mm256_add_ps(total[t][half], _mm256_mul_ps(_mm256_cvtepi32_ps(sums[t][half]), scale));
        }
      }
      group += kLine;
    }
    for (size_t t = 0; t < T; ++t) store_rows(total[t][0], total[t][1], rows, out + t * out_stride);
  }
};

}  // namespace

void matmul_int8_group(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride) {
  if (w.bits <= 6) {
    for_each_tile<Int8Group<kLinesOf6Bits>>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<Int8Group<kLinesOf8Bits>>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
