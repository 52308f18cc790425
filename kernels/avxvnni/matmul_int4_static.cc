#if defined(__x86_64__)

#include "kernels/avxvnni/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

struct Int4Static {
  template <size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const size_t groups = (w.cols + kGroup - 1) / kGroup, whole = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * kNibbleGroupBytes;
    const uint8_t* x = acts.u + token * w.cols;

    Sums<T> sums;
    begin_sums<T>(w, panel, sums);
    for (size_t g = 0; g < whole; ++g, group += kNibbleGroupBytes, x += kGroup) {
      add_nibble_group<T, Unsigned::kActivations, 8>(group, x, w.cols, sums);
    }
    if (whole < groups) {
      // Columns of padding have weight 0, whatever the activation.
      uint8_t last[T][kGroup];
      copy_last(x, w.cols, w.cols - whole * kGroup, last);
      add_nibble_group<T, Unsigned::kActivations, 8>(group, last[0], kGroup, sums);
    }
    store_outputs<T>(w, panel, sums, rows, out, out_stride);
  }
};

}  // namespace

void matmul_int4_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    avx2::multiply_unpacked<avx2::Int4Bytes<8>, DotSums<Unsigned::kActivations>, avx2::FixedScales>(
        w, acts, row0, row1, out, out_stride);
  } else {
    avx2::for_each_tile<Int4Static>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avxvnni

#endif
