#if defined(__x86_64__)

#include "kernels/avx2/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

constexpr size_t kLineColumns = 16;
constexpr size_t kGroupLines = kGroup / kLineColumns;
constexpr size_t kSumLines = 8;  // 32 vpmaddubsw, as many as int16 holds

// A nibble is two levels: of its lower and of its upper bits.
constexpr int8_t kLower[16] = {-2, -1, 0, 1, -2, -1, 0, 1, -2, -1, 0, 1, -2, -1, 0, 1};
constexpr int8_t kUpper[16] = {-2, -2, -2, -2, -1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1};

// Adds the products of up to kSumLines lines. Seven instructions unpack a register of 128 levels.
template <size_t T>
GEMMA_AVX2_INLINE void multiply_lines(const std::byte* line, size_t lines, const uint8_t* x, size_t x_stride,
                                      __m256i (&total)[T][2]) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i tables[2] = {lookup(kLower), lookup(kUpper)};
  __m256i sums[T][2];
  for (size_t t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
  for (size_t l = 0; l < lines; ++l, line += kLine, x += kLineColumns) {
    prefetch<T>(line);
    const __m256i packed0 = load(line), packed1 = load(line + 32);
#pragma GCC unroll 2
    for (size_t high = 0; high < 2; ++high) {
      const __m256i pairs0 = _mm256_and_si256(high == 0 ? packed0 : _mm256_srli_epi16(packed0, 4), nibble);
      const __m256i pairs1 = _mm256_and_si256(high == 0 ? packed1 : _mm256_srli_epi16(packed1, 4), nibble);
#pragma GCC unroll 2
      for (size_t upper = 0; upper < 2; ++upper) {
        const __m256i weights0 = _mm256_shuffle_epi8(tables[upper], pairs0);
        const __m256i weights1 = _mm256_shuffle_epi8(tables[upper], pairs1);
        for (size_t t = 0; t < T; ++t) {
          const __m256i columns = broadcast4(x + t * x_stride + high * 8 + upper * 4);
          multiply_add_static(sums[t][0], columns, weights0);
          multiply_add_static(sums[t][1], columns, weights1);
        }
      }
    }
  }
  add_widened<T>(sums, total);
}

struct Int2Static {
  template <size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                              size_t rows, float* out, size_t out_stride) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * kGroupLines;
    const size_t whole = w.cols / kLineColumns;
    const std::byte* data = w.data + panel * lines * kLine;
    const uint8_t* x = acts.u + token * w.cols;

    __m256i total[T][2];
    begin_sums<T>(w, panel, total);
    for (size_t l = 0; l < whole; l += kSumLines) {
      multiply_lines<T>(data + l * kLine, std::min(kSumLines, whole - l), x + l * kLineColumns, w.cols,
                        total);
    }
    const size_t left = w.cols % kLineColumns;
    if (left > 0) {
      // Columns of padding have weight 0, whatever the activation.
      uint8_t last[T][kLineColumns] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols + whole * kLineColumns, left);
      multiply_lines<T>(data + whole * kLine, 1, last[0], kLineColumns, total);
    }
    store_outputs<T>(w, panel, total, rows, out, out_stride);
  }
};

}  // namespace

void matmul_int2_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_unpacked<Int2Bytes, Int16Sums<Unsigned::kActivations, 1, kSumLines / kGroupLines>, FixedScales>(
        w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<Int2Static>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
