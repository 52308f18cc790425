#if defined(__x86_64__)

#include "kernels/avx2/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

// Nibbles stay as they are stored, 8 too large: a sum begins at -8 times the sum of its activations.
struct Int4Static {
  template <size_t P, size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    const auto groups = static_cast<int32_t>((w.cols + kGroup - 1) / kGroup);
    __m256i total[P][T][2];
    begin_sums<8>(w, acts, at, groups * kUnsignedRaise, total);
    add_nibbles<Unsigned::kActivations>(w, at, acts.u + at.token * w.cols, total);
    store_outputs(w, at, total);
  }
};

}  // namespace

void matmul_int4_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_unpacked<Int4Bytes<8>, Int16Sums<Unsigned::kActivations>, FixedScales>(w, acts, row0, row1, out,
                                                                                    out_stride);
  } else {
    const SummedActivations summed(acts);
    for_each_tile<Int4Static>(w, summed.acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
