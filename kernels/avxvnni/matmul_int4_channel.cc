#if defined(__x86_64__)

#include "kernels/avxvnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

struct Int4Channel {
  template <size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const size_t groups = (w.cols + kGroup - 1) / kGroup, whole = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * kNibbleGroupBytes;
    const int8_t* x = acts.q + token * w.cols;

    Sums<T> sums;
    for (size_t t = 0; t < T; ++t) sums.begin(t, -8 * acts.sums[token + t]);
    for (size_t g = 0; g < whole; ++g, group += kNibbleGroupBytes, x += kGroup) {
      add_nibble_group<T, Unsigned::kWeights, 0>(group, x, w.cols, sums);
    }
    if (whole < groups) {
      // Columns of padding are nibble 8 times activation 0; they are in no sum of activations either.
      int8_t last[T][kGroup];
      copy_last(x, w.cols, w.cols - whole * kGroup, last);
      add_nibble_group<T, Unsigned::kWeights, 0>(group, last[0], kGroup, sums);
    }
    for (size_t t = 0; t < T; ++t) {
      avx2::store_scaled(w, acts, panel, token + t, sums.total(t, 0), sums.total(t, 1), rows,
                         out + t * out_stride);
    }
  }
};

}  // namespace

void matmul_int4_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    avx2::multiply_unpacked<avx2::Int4Bytes<0>, DotSums<Unsigned::kWeights>, avx2::ChannelScales<8>>(
        w, acts, row0, row1, out, out_stride);
  } else {
    avx2::for_each_tile<Int4Channel>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avxvnni

#endif
