// What the AVX2 kernels between static scales share: where sums begin and how they become outputs.
//
// Activations are unsigned (level + 128), weights signed, so vpmaddubsw takes them in this order. What the
// 128 adds to a row is known when the matrix is packed: sums begin at the row's zero_sum, and no token needs
// a sum of its own. Products summed in int16 before widening: 255 * 8 * 2 = 4080 for 4 bits, so 8 (32640);
// 255 * 2 * 2 = 1020 for 2 bits, so 32 (32640). One more could wrap.
#pragma once

#include "kernels/avx2/unpack.h"
#include "kernels/static_scales.h"

namespace gemma::kernels::avx2 {

// Columns x[0..4) for every row.
GEMMA_AVX2_INLINE __m256i broadcast4(const uint8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

// sum + columns * weights in int16; the empty statement as in multiply_add (panel.h).
GEMMA_AVX2_INLINE void multiply_add_static(__m256i& sum, __m256i columns, __m256i weights) {
  sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(columns, weights));
  asm("" : "+x"(sum));
}

template <size_t T>
GEMMA_AVX2_INLINE void begin_sums(const MatrixView& w, size_t panel, __m256i (&total)[T][2]) {
  const int32_t* zero_sums = w.statics.zero_sums + panel * kPanelRows;
  for (size_t t = 0; t < T; ++t) {
    total[t][0] = load(zero_sums);
    total[t][1] = load(zero_sums + 8);
  }
}

template <size_t T>
GEMMA_AVX2_INLINE void add_widened(const __m256i (&sums)[T][2], __m256i (&total)[T][2]) {
  for (size_t t = 0; t < T; ++t) {
    for (size_t half = 0; half < 2; ++half) {
      total[t][half] = _mm256_add_epi32(total[t][half], widen(sums[t][half]));
    }
  }
}

// The 16 entries in both halves of a register, for vpshufb.
GEMMA_AVX2_INLINE __m256i lookup(const int8_t (&entries)[16]) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries)));
}

// A level as a whole number; NaN has level 0. Clamping before rounding is the same: the limits are whole.
GEMMA_AVX2_INLINE __m256 clamp_to_levels(__m256 value) {
  const __m256 number = _mm256_and_ps(value, _mm256_cmp_ps(value, value, _CMP_ORD_Q));
  const __m256 above = _mm256_max_ps(number, _mm256_set1_ps(kLowestLevel));
  return _mm256_min_ps(above, _mm256_set1_ps(kHighestLevel));
}

// Eight rows' outputs, static_output() of each.
GEMMA_AVX2_INLINE __m256 outputs_of(__m256i acc, const float* factors, float output_scale) {
  const __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(factors));
  if (output_scale == 0) return value;
  const __m256 level = _mm256_round_ps(clamp_to_levels(value), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  return _mm256_mul_ps(level, _mm256_set1_ps(output_scale));
}

template <size_t T>
GEMMA_AVX2_INLINE void store_outputs(const MatrixView& w, size_t panel, const __m256i (&total)[T][2],
                                     size_t rows, float* out, size_t out_stride) {
  const float* factors = w.statics.factors + panel * kPanelRows;
  for (size_t t = 0; t < T; ++t) {
    store_rows(outputs_of(total[t][0], factors, w.statics.output),
               outputs_of(total[t][1], factors + 8, w.statics.output), rows, out + t * out_stride);
  }
}

// The scales of multiply_unpacked (unpacked_panel.h).
struct FixedScales {
  static const uint8_t* inputs(const Activations& acts) { return acts.u; }
  static void begin(const MatrixView& w, const Activations&, size_t panel, size_t, int32_t* totals) {
    std::copy_n(w.statics.zero_sums + panel * kPanelRows, kPanelRows, totals);
  }
  GEMMA_AVX2 static void finish(const MatrixView& w, const Activations&, size_t panel, size_t,
                                const int32_t* totals, size_t rows, float* out) {
    const __m256i total[1][2] = {{load(totals), load(totals + 8)}};
    store_outputs<1>(w, panel, total, rows, out, 0);
  }
};

}  // namespace gemma::kernels::avx2
