#if defined(__x86_64__)

#include "kernels/avx2/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

// Adds the products of one group of 32 columns: 8 vpmaddubsw, as many as int16 holds. Token t's columns are
// at x + t * x_stride.
template <size_t T>
GEMMA_AVX2_INLINE void multiply_group_static(const std::byte* lines, const uint8_t* x, size_t x_stride,
                                             __m256i (&total)[T][2]) {
  const __m256i nibble = _mm256_set1_epi8(15), eight = _mm256_set1_epi8(8);
  __m256i sums[T][2];
  for (size_t t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
#pragma GCC unroll 4
  for (size_t line = 0; line < 4; ++line) {
    prefetch<T>(lines + line * kLine);
    const __m256i packed0 = load(lines + line * kLine), packed1 = load(lines + line * kLine + 32);
    const __m256i low0 = _mm256_sub_epi8(_mm256_and_si256(packed0, nibble), eight);
    const __m256i low1 = _mm256_sub_epi8(_mm256_and_si256(packed1, nibble), eight);
    for (size_t t = 0; t < T; ++t) {
      const __m256i columns = broadcast4(x + t * x_stride + line * 8);
      multiply_add_static(sums[t][0], columns, low0);
      multiply_add_static(sums[t][1], columns, low1);
    }
    const __m256i high0 = _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(packed0, 4), nibble), eight);
    const __m256i high1 = _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(packed1, 4), nibble), eight);
    for (size_t t = 0; t < T; ++t) {
      const __m256i columns = broadcast4(x + t * x_stride + line * 8 + 4);
      multiply_add_static(sums[t][0], columns, high0);
      multiply_add_static(sums[t][1], columns, high1);
    }
  }
  add_widened<T>(sums, total);
}

struct Int4Static {
  template <size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                              size_t rows, float* out, size_t out_stride) {
    const size_t groups = (w.cols + kGroup - 1) / kGroup;
    const size_t whole = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * kNibbleGroupBytes;
    const uint8_t* x = acts.u + token * w.cols;

    __m256i total[T][2];
    begin_sums<T>(w, panel, total);
    for (size_t g = 0; g < whole; ++g, group += kNibbleGroupBytes, x += kGroup) {
      multiply_group_static<T>(group, x, w.cols, total);
    }
    if (whole < groups) {
      // Columns of padding have weight 0, whatever the activation.
      uint8_t last[T][kGroup] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols, w.cols - whole * kGroup);
      multiply_group_static<T>(group, last[0], kGroup, total);
    }
    store_outputs<T>(w, panel, total, rows, out, out_stride);
  }
};

}  // namespace

void matmul_int4_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_unpacked<Int4Bytes<8>, Int16Sums<Unsigned::kActivations>, FixedScales>(w, acts, row0, row1, out,
                                                                                    out_stride);
  } else {
    for_each_tile<Int4Static>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
