// What the AVX-512 VNNI kernels with one scale a row share: tiles of 4 and of 8 bits, and how their sums become
// outputs, between static scales or with a scale per token.
#pragma once

#include "kernels/avx512vnni/panel.h"
#include "kernels/static_scales.h"

namespace gemma::kernels::avx512vnni {

// Sums of weights that are `zero` too large begin at -zero times the sum of the activations.
template <size_t P, size_t T>
GEMMA_AVX512_INLINE void begin_sums(int32_t zero, const Activations& acts, const TilePlace& at,
                                    Sums<P, T>& sums) {
  for (size_t t = 0; t < T; ++t) {
    const __m512i begin = _mm512_set1_epi32(-zero * acts.sums[at.token + t]);
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) sums.begin(p, t, begin);
  }
}

// --- outputs: of(w, acts, panel, token, sums of its 16 rows) ---

// float(sum) * (w_scale * x_scale).
struct TokenScales {
  GEMMA_AVX512_INLINE static __m512 of(const MatrixView& w, const Activations& acts, size_t panel,
                                       size_t token, __m512 sums) {
    const __m512 scales = _mm512_loadu_ps(w.scales + panel * kPanelRows);
    return _mm512_mul_ps(sums, _mm512_mul_ps(scales, _mm512_set1_ps(acts.scales[token])));
  }
};

// A level as a whole number once rounded; NaN has level 0. Clamping before rounding is the same: the limits
// are whole.
GEMMA_AVX512_INLINE __m512 clamp_to_levels(__m512 value) {
  const __mmask16 numbers = _mm512_cmp_ps_mask(value, value, _CMP_ORD_Q);
  const __m512 above = _mm512_maskz_max_ps(numbers, value, _mm512_set1_ps(kLowestLevel));
  return _mm512_min_ps(above, _mm512_set1_ps(kHighestLevel));
}

// static_output().
struct FixedScales {
  GEMMA_AVX512_INLINE static __m512 of(const MatrixView& w, const Activations&, size_t panel, size_t,
                                       __m512 sums) {
    const __m512 value = _mm512_mul_ps(sums, _mm512_loadu_ps(w.statics.factors + panel * kPanelRows));
    const float scale = w.statics.output;
    if (scale == 0) return value;
    const __m512 level =
        _mm512_roundscale_ps(clamp_to_levels(value), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm512_mul_ps(level, _mm512_set1_ps(scale));
  }
};

template <typename Format, typename Scales, size_t P, size_t T>
GEMMA_AVX512_INLINE void store_outputs(const MatrixView& w, const Activations& acts, const TilePlace& at,
                                       const Sums<P, T>& sums) {
#pragma GCC unroll 4
  for (size_t p = 0; p < P; ++p) {
    for (size_t t = 0; t < T; ++t) {
      const __m512 total = _mm512_cvtepi32_ps(Format::total(sums, p, t));
      store_rows(Scales::of(w, acts, at.scales_of(p), at.token + t, total), at.rows_of(p, P),
                 at.out_of(p, t));
    }
  }
}

// --- tiles ---

// Format goes along a panel in steps of kColumns columns, kBytes bytes: multiply<P, T>(steps, apart, n, x,
// x_stride, sums) adds the products of n, total(sums, p, t) is what they come to. Its unsigned numbers are
// kZero too large.
template <typename Format, typename Scales>
struct RowScaleTile {
  static constexpr size_t kPanels = 1;  // of a tile of several tokens

  template <size_t P, size_t T>
  GEMMA_AVX512 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    constexpr size_t kColumns = Format::kColumns;
    const size_t panel_bytes = (w.cols + kGroup - 1) / kGroup * (kGroup / kColumns) * Format::kBytes;
    const size_t whole = w.cols / kColumns, left = w.cols % kColumns;
    const size_t apart = at.apart * panel_bytes;
    const std::byte* steps = w.data + at.panel * panel_bytes;
    const int8_t* x = acts.q + at.token * w.cols;

    Sums<P, T> sums;
    begin_sums(Format::kZero, acts, at, sums);
    Format::multiply(steps, apart, whole, x, w.cols, sums);
    if (left > 0) {
      // Columns of padding meet activation 0; they are in no sum of activations either.
      int8_t last[T][kColumns] = {};
      for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols + whole * kColumns, left);
      Format::multiply(steps + whole * Format::kBytes, apart, 1, last[0], kColumns, sums);
    }
    store_outputs<Format, Scales>(w, acts, at, sums);
  }
};

// Whose two chains are of the same products.
struct OneSum {
  template <size_t P, size_t T>
  GEMMA_AVX512_INLINE static __m512i total(const Sums<P, T>& sums, size_t p, size_t t) {
    return sums.all(p, t);
  }
};

struct Int4Steps : OneSum {
  static constexpr size_t kColumns = kGroup, kBytes = kNibbleGroupBytes;
  static constexpr int32_t kZero = 8;

  template <size_t P, size_t T>
  GEMMA_AVX512_INLINE static void multiply(const std::byte* group, size_t apart, size_t n, const int8_t* x,
                                           size_t x_stride, Sums<P, T>& sums) {
    for (; n > 0; --n, group += kBytes, x += kColumns) multiply_group(group, apart, x, x_stride, sums);
  }
};

// Bytes, made unsigned by flipping their sign bit.
struct Int8Steps : OneSum {
  static constexpr size_t kColumns = 4, kBytes = kLine;
  static constexpr int32_t kZero = 128;

  template <size_t P, size_t T>
  GEMMA_AVX512_INLINE static void multiply(const std::byte* line, size_t apart, size_t n, const int8_t* x,
                                           size_t x_stride, Sums<P, T>& sums) {
    for (; n >= 2; n -= 2, line += 2 * kBytes, x += 2 * kColumns) {
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) {
#pragma GCC unroll 2
        for (size_t i = 0; i < 2; ++i)
          add_line(i, p, line + p * apart + i * kBytes, x + i * kColumns, x_stride, sums);
      }
    }
    if (n == 0) return;
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) add_line(0, p, line + p * apart, x, x_stride, sums);
  }

 private:
  template <size_t P, size_t T>
  GEMMA_AVX512_INLINE static void add_line(size_t i, size_t p, const std::byte* line, const int8_t* x,
                                           size_t x_stride, Sums<P, T>& sums) {
    const __m512i weights = _mm512_xor_si512(load(line), _mm512_set1_epi8(-128));
    ask_ahead<P, T>(line);
    for (size_t t = 0; t < T; ++t) sums.add(i, p, t, weights, broadcast4(x + t * x_stride));
  }
};

}  // namespace gemma::kernels::avx512vnni
