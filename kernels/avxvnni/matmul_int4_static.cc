#if defined(__x86_64__)

#include "kernels/avxvnni/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

// Nibbles stay as they are stored, 8 too large: as signed bytes they are what vpdpbusd wants.
struct Int4Static {
  template <size_t P, size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    Sums<P, T> sums;
    begin_static_sums<8>(w, acts, at, sums);
    add_nibbles<Unsigned::kActivations>(w, at, acts.u + at.token * w.cols, sums);
    store_outputs(w, at, sums);
  }
};

}  // namespace

void matmul_int4_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    avx2::multiply_unpacked<avx2::Int4Bytes<8>, DotSums<Unsigned::kActivations>, avx2::FixedScales>(
        w, acts, row0, row1, out, out_stride);
  } else {
    const avx2::SummedActivations summed(acts);
    avx2::for_each_tile<Int4Static>(w, summed.acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avxvnni

#endif
