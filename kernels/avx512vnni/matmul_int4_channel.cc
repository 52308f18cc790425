#if defined(__x86_64__)

#include "kernels/avx512vnni/panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

struct Int4Channel {
  static constexpr size_t kPanels = 1;

  template <size_t P, size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    const size_t groups = (w.cols + kGroup - 1) / kGroup;
    const size_t whole = w.cols / kGroup;
    const size_t apart = at.apart * groups * kNibbleGroupBytes;
    const std::byte* group = w.data + at.panel * groups * kNibbleGroupBytes;
    const int8_t* x = acts.q + at.token * w.cols;

    Sums<P, T> sums;
    for (size_t t = 0; t < T; ++t) {
      const __m512i zero = _mm512_set1_epi32(-8 * acts.sums[at.token + t]);
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) sums.begin(p, t, zero);
    }
    for (size_t g = 0; g < whole; ++g, group += kNibbleGroupBytes, x += kGroup) {
      multiply_group(group, apart, x, w.cols, sums);
    }
    if (whole < groups) {
      // Columns of padding are nibble 8 times activation 0; they are in no sum of activations either.
      int8_t last[T][kGroup] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols, w.cols - whole * kGroup);
      multiply_group(group, apart, last[0], kGroup, sums);
    }
    store_scaled(w, acts, at, sums);
  }
};

}  // namespace

void matmul_int4_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  for_each_tile<Int4Channel>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
