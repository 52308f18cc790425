#if defined(__x86_64__)

#include "kernels/avxvnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

struct Int8Channel {
  template <size_t P, size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    // Flipping the sign bit makes levels unsigned, 128 too large.
    Sums<P, T> sums;
    begin_sums<128>(acts, at, sums);
    add_bytes<Unsigned::kWeights, -128>(w, at, acts.q + at.token * w.cols, sums);
    store_scaled(w, acts, at, sums);
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
