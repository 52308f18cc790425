#if defined(__x86_64__)

#include "kernels/avx512vnni/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

constexpr size_t kLineColumns = 16;
constexpr size_t kGroupLines = kGroup / kLineColumns;

// A nibble is two levels: of its lower and of its upper bits.
constexpr int8_t kLower[16] = {-2, -1, 0, 1, -2, -1, 0, 1, -2, -1, 0, 1, -2, -1, 0, 1};
constexpr int8_t kUpper[16] = {-2, -2, -2, -2, -1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1};

// Adds the products of `lines` lines. Seven instructions unpack a line of 256 levels.
template <size_t P, size_t T>
GEMMA_AVX512_INLINE void multiply_lines(const std::byte* line, size_t apart, size_t lines, const uint8_t* x,
                                        size_t x_stride, Sums<P, T>& sums) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i lower = lookup(kLower), upper = lookup(kUpper);
  for (size_t l = 0; l < lines; ++l, line += kLine, x += kLineColumns) {
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      const __m512i packed = load(line + p * apart);
      ask_ahead<P, T>(line + p * apart);
      const __m512i pairs[2] = {_mm512_and_si512(packed, nibble),
                                _mm512_and_si512(_mm512_srli_epi16(packed, 4), nibble)};
#pragma GCC unroll 2
      for (size_t high = 0; high < 2; ++high) {
        const __m512i weights0 = _mm512_shuffle_epi8(lower, pairs[high]);
        const __m512i weights1 = _mm512_shuffle_epi8(upper, pairs[high]);
        for (size_t t = 0; t < T; ++t) {
          const uint8_t* columns = x + t * x_stride + high * 8;
          sums.add(0, p, t, broadcast4(columns), weights0);
          sums.add(1, p, t, broadcast4(columns + 4), weights1);
        }
      }
    }
  }
}

struct Int2Static {
  static constexpr size_t kPanels = 1;

  template <size_t P, size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * kGroupLines;
    const size_t whole = w.cols / kLineColumns, left = w.cols % kLineColumns;
    const size_t apart = at.apart * lines * kLine;
    const std::byte* data = w.data + at.panel * lines * kLine;
    const uint8_t* x = acts.u + at.token * w.cols;

    Sums<P, T> sums;
    begin_sums(w, at, sums);
    multiply_lines(data, apart, whole, x, w.cols, sums);
    if (left > 0) {
      // Columns of padding have weight 0, whatever the activation.
      uint8_t last[T][kLineColumns] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols + whole * kLineColumns, left);
      multiply_lines(data + whole * kLine, apart, 1, last[0], kLineColumns, sums);
    }
    store_outputs(w, at, sums);
  }
};

}  // namespace

void matmul_int2_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  for_each_tile<Int2Static>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::avx512vnni

#endif
