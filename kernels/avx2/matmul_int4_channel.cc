#if defined(__x86_64__)

#include "kernels/avx2/unpack.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

struct Int4Channel {
  template <size_t P, size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    // The sums begin where the zero point of the nibbles puts them.
    __m256i total[P][T][2];
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 6
      for (size_t t = 0; t < T; ++t) {
        total[p][t][0] = total[p][t][1] = _mm256_set1_epi32(-8 * acts.sums[at.token + t]);
      }
    }
    add_nibbles<Unsigned::kWeights>(w, at, acts.q + at.token * w.cols, total);
    store_scaled(w, acts, at, total);
  }
};

}  // namespace

void matmul_int4_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_unpacked<Int4Bytes<0>, Int16Sums<Unsigned::kWeights>, ChannelScales<8>>(w, acts, row0, row1, out,
                                                                                     out_stride);
  } else {
    for_each_tile<Int4Channel>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
