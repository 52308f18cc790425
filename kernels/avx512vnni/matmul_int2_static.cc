#if defined(__x86_64__)

#include "kernels/avx512vnni/row_scales.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

// The upper pair of a nibble stays where it is, four times its level, and is summed apart: five instructions
// unpack a line of 256 levels.
struct Int2Steps {
  static constexpr size_t kColumns = 16, kBytes = kLine;
  static constexpr int32_t kZero = 2;

  template <size_t P, size_t T>
  GEMMA_AVX512_INLINE static void multiply(const std::byte* line, size_t apart, size_t n, const int8_t* x,
                                           size_t x_stride, Sums<P, T>& sums) {
    const __m512i ones = _mm512_set1_epi8(3), fours = _mm512_set1_epi8(12);
    for (; n > 0; --n, line += kBytes, x += kColumns) {
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) {
        const __m512i packed = load(line + p * apart);
        ask_ahead<P, T>(line + p * apart);
        const __m512i nibbles[2] = {packed, _mm512_srli_epi16(packed, 4)};
#pragma GCC unroll 2
        for (size_t high = 0; high < 2; ++high) {
          const __m512i weights0 = _mm512_and_si512(nibbles[high], ones);
          const __m512i weights1 = _mm512_and_si512(nibbles[high], fours);
          for (size_t t = 0; t < T; ++t) {
            const int8_t* columns = x + t * x_stride + high * 8;
            sums.add(0, p, t, weights0, broadcast4(columns));
            sums.add(1, p, t, weights1, broadcast4(columns + 4));
          }
        }
      }
    }
  }
  template <size_t P, size_t T>
  GEMMA_AVX512_INLINE static __m512i total(const Sums<P, T>& sums, size_t p, size_t t) {
    const auto& [of_ones, of_fours] = sums.chains[p][t];
    return _mm512_add_epi32(of_ones, _mm512_srai_epi32(of_fours, 2));
  }
};

}  // namespace

void matmul_int2_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  for_each_tile<RowScaleTile<Int2Steps, FixedScales>>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
