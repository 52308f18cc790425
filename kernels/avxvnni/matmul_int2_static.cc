#if defined(__x86_64__)

#include "kernels/avxvnni/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

constexpr size_t kLineColumns = 16;
constexpr size_t kGroupLines = kGroup / kLineColumns;

// Adds the products of some lines: four times 4 columns each.
template <size_t T>
GEMMA_AVXVNNI_INLINE void add_pair_lines(const std::byte* line, size_t lines, const uint8_t* x,
                                         size_t x_stride, Sums<T>& sums) {
  const __m256i pair = _mm256_set1_epi8(3), two = _mm256_set1_epi8(2);
  for (size_t l = 0; l < lines; ++l, line += kLine, x += kLineColumns) {
    prefetch<T>(line);
    __m256i packed0 = load(line), packed1 = load(line + 32);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      const __m256i weights0 = _mm256_sub_epi8(_mm256_and_si256(packed0, pair), two);
      const __m256i weights1 = _mm256_sub_epi8(_mm256_and_si256(packed1, pair), two);
      sums.template add<Unsigned::kActivations>(i, weights0, weights1, x + i * 4, x_stride);
      packed0 = _mm256_srli_epi16(packed0, 2);
      packed1 = _mm256_srli_epi16(packed1, 2);
    }
  }
}

struct Int2Static {
  template <size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * kGroupLines;
    const size_t whole = w.cols / kLineColumns, left = w.cols % kLineColumns;
    const std::byte* line = w.data + panel * lines * kLine;
    const uint8_t* x = acts.u + token * w.cols;

    Sums<T> sums;
    begin_sums<T>(w, panel, sums);
    add_pair_lines<T>(line, whole, x, w.cols, sums);
    if (left > 0) {
      // Columns of padding have weight 0, whatever the activation.
      uint8_t last[T][kLineColumns];
      copy_last(x + whole * kLineColumns, w.cols, left, last);
      add_pair_lines<T>(line + whole * kLine, 1, last[0], kLineColumns, sums);
    }
    store_outputs<T>(w, panel, sums, rows, out, out_stride);
  }
};

}  // namespace

void matmul_int2_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    avx2::multiply_unpacked<avx2::Int2Bytes, DotSums<Unsigned::kActivations>, avx2::FixedScales>(
        w, acts, row0, row1, out, out_stride);
  } else {
    avx2::for_each_tile<Int2Static>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avxvnni

#endif
