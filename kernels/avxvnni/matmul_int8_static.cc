#if defined(__x86_64__)

#include "kernels/avxvnni/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

// The panel holds the signed bytes that vpdpbusd wants: there is nothing to unpack for many tokens.
struct Int8Static {
  template <size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * avx2::kByteGroupLines;
    const size_t whole = w.cols / 4, left = w.cols % 4;
    const std::byte* line = w.data + panel * lines * kLine;
    const uint8_t* x = acts.u + token * w.cols;

    Sums<T> sums;
    begin_sums<T>(w, panel, sums);
    add_byte_lines<T, Unsigned::kActivations>(line, whole, x, w.cols, sums);
    if (left > 0) {
      // Columns of padding have weight 0, whatever the activation.
      uint8_t last[T][4];
      copy_last(x + whole * 4, w.cols, left, last);
      add_byte_lines<T, Unsigned::kActivations>(line + whole * kLine, 1, last[0], 4, sums);
    }
    store_outputs<T>(w, panel, sums, rows, out, out_stride);
  }
};

}  // namespace

void matmul_int8_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  avx2::for_each_tile<Int8Static>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avxvnni

#endif
