#if defined(__x86_64__)

#include "kernels/avx2/unpack.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

constexpr size_t kLineColumns = 16;
constexpr size_t kGroupLines = kGroup / kLineColumns;
constexpr size_t kRunGroups = 4;   // 128 columns, whose sums int16 holds: 32 vpmaddubsw of 3 * 128 * 2 = 768
constexpr size_t kFoursLines = 4;  // 8 vpmaddubsw of four times as much: 24576

// Adds the products of 4 columns whose levels `pair` leaves of every byte.
template <size_t T>
GEMMA_AVX2_INLINE void multiply_pairs(__m256i packed0, __m256i packed1, int8_t pair, const int8_t* x,
                                      size_t x_stride, __m256i (&sums)[T][2]) {
  const __m256i weights0 = _mm256_and_si256(packed0, _mm256_set1_epi8(pair));
  const __m256i weights1 = _mm256_and_si256(packed1, _mm256_set1_epi8(pair));
#pragma GCC unroll 6
  for (size_t t = 0; t < T; ++t) {
    const __m256i columns = broadcast4(x + t * x_stride);
    multiply_add(sums[t][0], weights0, columns);
    multiply_add(sums[t][1], weights1, columns);
  }
}

// Adds up to kRunGroups groups of levels as they are stored, 0..3. Where tokens are few the upper pair of a
// nibble stays where it is, four times its level, and is summed apart: a register of 128 levels takes 5
// instructions to unpack, and 4 more in 4 lines to put the sums together. More tokens have no registers for
// sums of two kinds, and 7 instructions are few beside theirs.
template <size_t P, size_t T>
GEMMA_AVX2_INLINE void multiply_lines(const std::byte* line, size_t lines, const int8_t* x, size_t x_stride,
                                      __m256i (&total)[T][2]) {
  __m256i sums[T][2];
#pragma GCC unroll 6
  for (size_t t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
  for (size_t first = 0; first < lines; first += kFoursLines) {
    __m256i fours[T][2];
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) fours[t][0] = fours[t][1] = _mm256_setzero_si256();
    for (size_t l = first; l < std::min(lines, first + kFoursLines); ++l, line += kLine) {
      ask_ahead<P, T>(line);
      __m256i packed0 = load(line), packed1 = load(line + 32);
#pragma GCC unroll 4
      for (size_t i = 0; i < 4; ++i, x += 4) {
        if (T > 2 || i % 2 == 0) {
          multiply_pairs(packed0, packed1, 3, x, x_stride, sums);
        } else {
          multiply_pairs(packed0, packed1, 12, x, x_stride, fours);
        }
        if (T > 2) packed0 = _mm256_srli_epi16(packed0, 2), packed1 = _mm256_srli_epi16(packed1, 2);
        if (T <= 2 && i == 1)
          packed0 = _mm256_srli_epi16(packed0, 4), packed1 = _mm256_srli_epi16(packed1, 4);
      }
    }
    if constexpr (T <= 2) {
#pragma GCC unroll 2
      for (size_t t = 0; t < T; ++t) {
        sums[t][0] = _mm256_add_epi16(sums[t][0], _mm256_srai_epi16(fours[t][0], 2));
        sums[t][1] = _mm256_add_epi16(sums[t][1], _mm256_srai_epi16(fours[t][1], 2));
      }
    }
  }
  add_widened(sums, total);
}

struct Int2Static {
  template <size_t P, size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    __m256i total[P][T][2];
    begin_sums(2, acts, at, total);
    const int8_t* x = acts.q + at.token * w.cols;
    for (Steps<T, kRunGroups> step(w, at, kGroupLines * kLine, x); step.more(); step.next()) {
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) {
        multiply_lines<P, T>(step.panel(p), step.groups() * kGroupLines, step.columns, step.stride, total[p]);
      }
    }
    store_outputs<FixedScales>(w, acts, at, total);
  }
};

}  // namespace

void matmul_int2_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_unpacked<Int2Bytes, Int16Sums<1, kRunGroups>, FixedScales>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<Int2Static>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
