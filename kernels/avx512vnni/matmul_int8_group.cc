#if defined(__x86_64__)

#include "kernels/avx512vnni/panel.h"
#include "kernels/int8_group.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx512vnni {
namespace {

// Sum of x[0..16).
GEMMA_AVX512_INLINE int32_t sum16(const int8_t* x) {
  const __m128i columns = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  const __m128i fours = _mm_dpbusd_epi32(_mm_setzero_si128(), _mm_set1_epi8(1), columns);
  const __m128i pairs = _mm_add_epi32(fours, _mm_shuffle_epi32(fours, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0xB1)));
}

// Group is 16 or 32 columns. Levels become unsigned by their sign bit; the 128 that each is then too large is
// where the sums begin, negated: 128 times the sum of the group's activations.
template <size_t Group>
struct Int8Group {
  static constexpr size_t kPanels = 1;

  template <size_t P, size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    constexpr size_t kHalves = kGroup / Group;  // groups of weights in one of activations
    const size_t x_groups = w.cols / kGroup;
    const size_t panel_bytes = x_groups * kHalves * int8_group_bytes(Group);
    const size_t apart = at.apart * panel_bytes;
    const std::byte* line = w.data + at.panel * panel_bytes;
    const int8_t* x = acts.q + at.token * w.cols;
    const float* x_scales = acts.scales + at.token * x_groups;
    const int32_t* x_sums = acts.sums + at.token * x_groups;
    const __m512i sign_bits = _mm512_set1_epi8(-128);

    __m512 total[P][T];
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      for (size_t t = 0; t < T; ++t) total[p][t] = _mm512_setzero_ps();
    }
    for (size_t g = 0; g < x_groups; ++g) {
      int32_t left[T];  // sums of the columns that are not yet done
      for (size_t t = 0; t < T; ++t) left[t] = x_sums[t * x_groups + g];
#pragma GCC unroll 2
      for (size_t half = 0; half < kHalves; ++half, x += Group) {
        Sums<P, T, 1> sums;
        for (size_t t = 0; t < T; ++t) {
          const int32_t sum = half + 1 == kHalves ? left[t] : sum16(x + t * w.cols);
          left[t] -= sum;
#pragma GCC unroll 4
          for (size_t p = 0; p < P; ++p) sums.begin(p, t, _mm512_set1_epi32(-128 * sum));
        }
#pragma GCC unroll 8
        for (size_t i = 0; i < Group / 4; ++i, line += kLine) {
#pragma GCC unroll 4
          for (size_t p = 0; p < P; ++p) {
            ask_ahead<P, T>(line + p * apart);
            const __m512i weights = _mm512_xor_si512(load(line + p * apart), sign_bits);
            for (size_t t = 0; t < T; ++t) sums.add(i, p, t, weights, broadcast4(x + t * w.cols + i * 4));
          }
        }
#pragma GCC unroll 4
        for (size_t p = 0; p < P; ++p) {
          ask_ahead<P, T>(line + p * apart);
          const __m512 scales = _mm512_loadu_ps(line + p * apart);
          for (size_t t = 0; t < T; ++t) {
            const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(x_scales[t * x_groups + g]));
            total[p][t] =
                _mm512_add_ps(total[p][t], _mm512_mul_ps(_mm512_cvtepi32_ps(sums.all(p, t)), scale));
          }
        }
        line += kLine;
      }
    }
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      for (size_t t = 0; t < T; ++t) store_rows(total[p][t], at.rows_of(p, P), at.out_of(p, t));
    }
  }
};

}  // namespace

void matmul_int8_group(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride) {
  if (w.group == kGroup) {
    for_each_tile<Int8Group<kGroup>>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<Int8Group<kGroup / 2>>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx512vnni

#endif
