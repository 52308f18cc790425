#if defined(__x86_64__)

#include "kernels/avxvnni/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

// The panel holds the signed bytes that vpdpbusd wants: there is nothing to unpack for many tokens.
struct Int8Static {
  template <size_t P, size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    Sums<P, T> sums;
    begin_static_sums<0>(w, acts, at, sums);
    add_bytes<Unsigned::kActivations, 0>(w, at, acts.u + at.token * w.cols, sums);
    store_outputs(w, at, sums);
  }
};

}  // namespace

void matmul_int8_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  avx2::for_each_tile<Int8Static>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avxvnni

#endif
