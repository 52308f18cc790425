#if defined(__x86_64__)

#include "kernels/avxvnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

struct Int8Channel {
  template <size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * avx2::kByteGroupLines, whole = w.cols / 4;
    const std::byte* line = w.data + panel * lines * kLine;
    const int8_t* x = acts.q + token * w.cols;

    // Flipping the sign bit makes levels unsigned, 128 too large.
    Sums<T> sums;
    for (size_t t = 0; t < T; ++t) sums.begin(t, -128 * acts.sums[token + t]);
    add_byte_lines<T, Unsigned::kWeights, -128>(line, whole, x, w.cols, sums);
    if (w.cols % 4 != 0) {
      int8_t last[T][4];
      copy_last(x + whole * 4, w.cols, w.cols % 4, last);
      add_byte_lines<T, Unsigned::kWeights, -128>(line + whole * kLine, 1, last[0], 4, sums);
    }
    for (size_t t = 0; t < T; ++t) {
      avx2::store_scaled(w, acts, panel, token + t, sums.total(t, 0), sums.total(t, 1), rows,
                         out + t * out_stride);
    }
  }
};

}  // namespace

void matmul_int8_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    avx2::multiply_unpacked<avx2::Int8Bytes, DotSums<Unsigned::kWeights>, avx2::ChannelScales<128>>(
        w, acts, row0, row1, out, out_stride);
  } else {
    avx2::for_each_tile<Int8Channel>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avxvnni

#endif
