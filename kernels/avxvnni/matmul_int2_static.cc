#if defined(__x86_64__)

#include "kernels/avxvnni/row_scales.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

constexpr size_t kLineColumns = 16;
constexpr size_t kGroupLines = kGroup / kLineColumns;

// The sums of a panel: of the lower levels of a nibble, and of the upper ones, which stay where they are, four
// times as large. So a register of 128 levels takes 5 instructions to unpack.
template <size_t T>
struct PairSums {
  Sums<1, T, 1> ones, fours;

  template <size_t P>
  GEMMA_AVXVNNI_INLINE void add_group(const std::byte* line, const int8_t* x, size_t x_stride) {
    const __m256i lower = _mm256_set1_epi8(3), upper = _mm256_set1_epi8(12);
#pragma GCC unroll 2
    for (size_t l = 0; l < kGroupLines; ++l, line += kLine, x += kLineColumns) {
      ask_ahead<P, T>(line);
      __m256i packed0 = load(line), packed1 = load(line + 32);
#pragma GCC unroll 2
      for (size_t high = 0; high < 2; ++high) {
        ones.add(0, 0, _mm256_and_si256(packed0, lower), _mm256_and_si256(packed1, lower), x + high * 8,
                 x_stride);
        fours.add(0, 0, _mm256_and_si256(packed0, upper), _mm256_and_si256(packed1, upper), x + high * 8 + 4,
                  x_stride);
        packed0 = _mm256_srli_epi16(packed0, 4), packed1 = _mm256_srli_epi16(packed1, 4);
      }
    }
  }
};

struct Int2Static {
  template <size_t P, size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    PairSums<T> sums[P];
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 6
      for (size_t t = 0; t < T; ++t) {
        sums[p].ones.begin(0, t, _mm256_set1_epi32(-2 * acts.sums[at.token + t]));
        sums[p].fours.begin(0, t, _mm256_setzero_si256());
      }
    }
    const int8_t* x = acts.q + at.token * w.cols;
    for (Steps<T> step(w, at, kGroupLines * kLine, x); step.more(); step.next()) {
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) {
        sums[p].template add_group<P>(step.panel(p), step.columns, step.stride);
      }
    }
    __m256i total[P][T][2];
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 6
      for (size_t t = 0; t < T; ++t) {
#pragma GCC unroll 2
        for (size_t half = 0; half < 2; ++half) {
          total[p][t][half] = _mm256_add_epi32(sums[p].ones.total(0, t, half),
                                               _mm256_srai_epi32(sums[p].fours.total(0, t, half), 2));
        }
      }
    }
    avx2::store_outputs<FixedScales>(w, acts, at, total);
  }
};

}  // namespace

void matmul_int2_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    avx2::multiply_unpacked<avx2::Int2Bytes, DotSums, FixedScales>(w, acts, row0, row1, out, out_stride);
  } else {
    avx2::for_each_tile<Int2Static>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avxvnni

#endif
