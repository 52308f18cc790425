#if defined(__x86_64__)

#include "kernels/avx2/unpack.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

struct Int4Channel {
  template <size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                              size_t rows, float* out, size_t out_stride) {
    const size_t groups = (w.cols + kGroup - 1) / kGroup;
    const size_t whole = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * kNibbleGroupBytes;
    const int8_t* x = acts.q + token * w.cols;

    // The sums begin where the zero point of the nibbles puts them.
    __m256i total[T][2];
    for (size_t t = 0; t < T; ++t) total[t][0] = total[t][1] = _mm256_set1_epi32(-8 * acts.sums[token + t]);
    for (size_t g = 0; g < whole; ++g, group += kNibbleGroupBytes, x += kGroup) {
      __m256i sums[T][2];
      multiply_group<T>(group, x, w.cols, sums);
      for (size_t t = 0; t < T; ++t) {
        for (size_t half = 0; half < 2; ++half) {
          total[t][half] = _mm256_add_epi32(total[t][half], widen(sums[t][half]));
        }
      }
    }
    if (whole < groups) {
      // Columns of padding are nibble 8 times activation 0; they are in no sum of activations either.
      int8_t last[T][kGroup] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols, w.cols - whole * kGroup);
      __m256i sums[T][2];
      multiply_group<T>(group, last[0], kGroup, sums);
      for (size_t t = 0; t < T; ++t) {
        for (size_t half = 0; half < 2; ++half) {
          total[t][half] = _mm256_add_epi32(total[t][half], widen(sums[t][half]));
        }
      }
    }
    for (size_t t = 0; t < T; ++t) {
      store_scaled(w, acts, panel, token + t, total[t][0], total[t][1], rows, out + t * out_stride);
    }
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
