#if defined(__x86_64__)

#include "kernels/avx512vnni/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

template <size_t P, size_t T>
GEMMA_AVX512_INLINE void multiply_group_static(const std::byte* lines, size_t apart, const uint8_t* x,
                                               size_t x_stride, Sums<P, T>& sums) {
  const __m512i nibble = _mm512_set1_epi8(15), eight = _mm512_set1_epi8(8);
#pragma GCC unroll 4
  for (size_t line = 0; line < 4; ++line) {
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      const std::byte* packed_line = lines + p * apart + line * kLine;
      const __m512i packed = load(packed_line);
      ask_ahead<P, T>(packed_line);
      const __m512i low = _mm512_sub_epi8(_mm512_and_si512(packed, nibble), eight);
      const __m512i high = _mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi16(packed, 4), nibble), eight);
      for (size_t t = 0; t < T; ++t) {
        const uint8_t* columns = x + t * x_stride + line * 8;
        sums.add(0, p, t, broadcast4(columns), low);
        sums.add(1, p, t, broadcast4(columns + 4), high);
      }
    }
  }
}

struct Int4Static {
  static constexpr size_t kPanels = 1;

  template <size_t P, size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    const size_t groups = (w.cols + kGroup - 1) / kGroup;
    const size_t whole = w.cols / kGroup;
    const size_t apart = at.apart * groups * kNibbleGroupBytes;
    const std::byte* group = w.data + at.panel * groups * kNibbleGroupBytes;
    const uint8_t* x = acts.u + at.token * w.cols;

    Sums<P, T> sums;
    begin_sums(w, at, sums);
    for (size_t g = 0; g < whole; ++g, group += kNibbleGroupBytes, x += kGroup) {
      multiply_group_static(group, apart, x, w.cols, sums);
    }
    if (whole < groups) {
      // Columns of padding have weight 0, whatever the activation.
      uint8_t last[T][kGroup] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols, w.cols - whole * kGroup);
      multiply_group_static(group, apart, last[0], kGroup, sums);
    }
    store_outputs(w, at, sums);
  }
};

}  // namespace

void matmul_int4_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  for_each_tile<Int4Static>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
