#include "kernels/integer_kernels.h"
#include "kernels/neon_dotprod/panel.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {
namespace {

struct Int4Channel {
  template <size_t T>
  GEMMA_DOTPROD static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const size_t groups = (w.cols + kGroup - 1) / kGroup;
    const size_t whole = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * kNibbleGroupBytes;
    const int8_t* x = acts.q + token * w.cols;

    int32x4_t sums[T][kQuarters];
    for (size_t t = 0; t < T; ++t) {
      for (size_t i = 0; i < kQuarters; ++i) sums[t][i] = vdupq_n_s32(-8 * acts.sums[token + t]);
    }
    for (size_t g = 0; g < whole; ++g, group += kNibbleGroupBytes, x += kGroup) {
      multiply_group<T>(group, x, w.cols, sums);
    }
    if (whole < groups) {
      // Columns of padding are nibble 8 times activation 0; they are in no sum of activations either.
      int8_t last[T][kGroup] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols, w.cols - whole * kGroup);
      multiply_group<T>(group, last[0], kGroup, sums);
    }
    const float* scales = w.scales + panel * kPanelRows;
    for (size_t t = 0; t < T; ++t) {
      store_scaled(sums[t], scales, acts.scales[token + t], rows, out + t * out_stride);
    }
  }
};

}  // namespace

void matmul_int4_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  for_each_tile<Int4Channel>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::neon_dotprod

#endif
