#if defined(__x86_64__)

#include "kernels/avx2/unpack.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

// Adds a group of 8 lines of 4 columns to the int32 sums. vpmaddubsw wants one unsigned side: |w| it is, up to
// 128, with the sign moved to the activation. Activations are -127..127, so moving it cannot overflow, and a
// pair is at most 2 * 128 * 127 = 32512: exact. The other way round a weight of -128 would not survive.
template <size_t P, size_t T>
GEMMA_AVX2_INLINE void multiply_lines(const std::byte* line, const int8_t* x, size_t x_stride,
                                      __m256i (&total)[T][2]) {
  for (size_t i = 0; i < kByteGroupLines; ++i, line += kLine, x += 4) {
    ask_ahead<P, T>(line);
    const __m256i weights0 = load(line), weights1 = load(line + 32);
    const __m256i magnitudes0 = _mm256_abs_epi8(weights0), magnitudes1 = _mm256_abs_epi8(weights1);
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      const __m256i columns = broadcast4(x + t * x_stride);
      add_widened(_mm256_maddubs_epi16(magnitudes0, _mm256_sign_epi8(columns, weights0)), total[t][0]);
      add_widened(_mm256_maddubs_epi16(magnitudes1, _mm256_sign_epi8(columns, weights1)), total[t][1]);
    }
  }
}

struct Int8Channel {
  template <size_t P, size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    __m256i total[P][T][2] = {};
    const int8_t* x = acts.q + at.token * w.cols;
    for (Steps<T> step(w, at, kByteGroup, x); step.more(); step.next()) {
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) {
        multiply_lines<P, T>(step.panel(p), step.columns, step.stride, total[p]);
      }
    }
    store_outputs<TokenScales>(w, acts, at, total);
  }
};

}  // namespace

void matmul_int8_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  if (acts.tokens < kManyTokens) {
    for_each_tile<Int8Channel>(w, acts, row0, row1, out, out_stride);
  } else if (acts.kind == ActivationKind::kInt4Token) {
    // Small enough for whole bytes: as fast as weights of 4 bits.
    multiply_unpacked<Int8Bytes, Int16Sums<>, TokenScales>(w, acts, row0, row1, out, out_stride);
  } else {
    multiply_unpacked<Int8Planes, Int16Sums<2>, TokenScales>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
