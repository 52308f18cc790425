// What the AVX-512 VNNI kernels between static scales share: where sums begin and how they become outputs.
//
// vpdpbusd wants one unsigned side: the activations are (level + 128), so weights stay signed. What the 128
// adds to a row is known when the matrix is packed and is where the row's sum begins (zero_sum).
#pragma once

#include "kernels/avx512vnni/panel.h"
#include "kernels/static_scales.h"

namespace gemma::kernels::avx512vnni {

// Columns x[0..4) for every row.
GEMMA_AVX512_INLINE __m512i broadcast4(const uint8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

// Every sum begins at its row's zero_sum.
template <size_t P, size_t T>
GEMMA_AVX512_INLINE void begin_sums(const MatrixView& w, const TilePlace& at, Sums<P, T>& sums) {
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    const __m512i zero = load(w.statics.zero_sums + at.scales_of(p) * kPanelRows);
    for (size_t t = 0; t < T; ++t) sums.begin(p, t, zero);
  }
}

// The 16 entries in every quarter of a register, for vpshufb.
GEMMA_AVX512_INLINE __m512i lookup(const int8_t (&entries)[16]) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries)));
}

// A level as a whole number once rounded; NaN has level 0. Clamping before rounding is the same: the limits
// are whole.
GEMMA_AVX512_INLINE __m512 clamp_to_levels(__m512 value) {
  const __mmask16 numbers = _mm512_cmp_ps_mask(value, value, _CMP_ORD_Q);
  const __m512 above = _mm512_maskz_max_ps(numbers, value, _mm512_set1_ps(kLowestLevel));
  return _mm512_min_ps(above, _mm512_set1_ps(kHighestLevel));
}

// static_output() of every row and token.
template <size_t P, size_t T>
GEMMA_AVX512_INLINE void store_outputs(const MatrixView& w, const TilePlace& at, const Sums<P, T>& sums) {
  const float scale = w.statics.output;
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    const __m512 factors = _mm512_loadu_ps(w.statics.factors + at.scales_of(p) * kPanelRows);
    for (size_t t = 0; t < T; ++t) {
      __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums.all(p, t)), factors);
      if (scale != 0) {
        const __m512 level =
            _mm512_roundscale_ps(clamp_to_levels(value), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        value = _mm512_mul_ps(level, _mm512_set1_ps(scale));
      }
      store_rows(value, at.rows_of(p, P), at.out_of(p, t));
    }
  }
}

}  // namespace gemma::kernels::avx512vnni
