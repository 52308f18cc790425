// What the AVX-VNNI integer kernels share. Loads, scales, unpacking and the cutting into tiles are those of
// AVX2 (kernels/avx2/); what differs is one instruction: vpdpbusd multiplies the 4 unsigned bytes of a row by
// 4 signed ones and adds all to the row's int32 sum. Nothing can saturate, nothing is widened.
//
// The inner step, 4 columns of 16 rows and 6 tokens: 2 loads of weights, 6 broadcasts and 12 vpdpbusd, 384
// multiply-adds.
//
// The same instruction on 256 bits exists in AVX-512 under another encoding. GEMMA_AVXVNNI_EVEX compiles
// these files to that one, so that their logic runs, and is tested, where AVX-VNNI is missing.
#pragma once

#include "kernels/avx2/unpacked_groups.h"

#if defined(GEMMA_AVXVNNI_EVEX)
#define GEMMA_AVXVNNI [[gnu::target("avx2,f16c,avx512f,avx512vl,avx512vnni")]]
#define GEMMA_AVXVNNI_INLINE \
  [[gnu::target("avx2,f16c,avx512f,avx512vl,avx512vnni"), gnu::always_inline]] inline
#else
#define GEMMA_AVXVNNI [[gnu::target("avx2,f16c,avxvnni")]]
#define GEMMA_AVXVNNI_INLINE [[gnu::target("avx2,f16c,avxvnni"), gnu::always_inline]] inline
#endif

namespace gemma::kernels::avxvnni {

using avx2::broadcast4;
using avx2::kLine;
using avx2::kManyTokens;
using avx2::kNibbleGroupBytes;
using avx2::load;
using avx2::prefetch;
using avx2::Unsigned;

// sums + (unsigned bytes times signed bytes, four by four).
GEMMA_AVXVNNI_INLINE __m256i dot4(__m256i sums, __m256i unsigned_bytes, __m256i signed_bytes) {
#if defined(GEMMA_AVXVNNI_EVEX)
  return _mm256_dpbusd_epi32(sums, unsigned_bytes, signed_bytes);
#else
  return _mm256_dpbusd_avx_epi32(sums, unsigned_bytes, signed_bytes);
#endif
}

template <Unsigned Side>
GEMMA_AVXVNNI_INLINE __m256i dot4(__m256i sums, __m256i weights, __m256i columns) {
  return Side == Unsigned::kWeights ? dot4(sums, weights, columns) : dot4(sums, columns, weights);
}

// The sums of T tokens and the 16 rows of a panel. Where tokens are few, columns alternate between two sums:
// vpdpbusd takes 5 cycles, and a chain of them would be slower than memory.
template <size_t T>
struct Sums {
  static constexpr size_t kChains = T <= 2 ? 2 : 1;
  __m256i lanes[kChains][T][2];

  GEMMA_AVXVNNI_INLINE void begin(size_t t, __m256i rows0, __m256i rows1) {
    lanes[0][t][0] = rows0;
    lanes[0][t][1] = rows1;
    if constexpr (kChains == 2) lanes[1][t][0] = lanes[1][t][1] = _mm256_setzero_si256();
  }
  GEMMA_AVXVNNI_INLINE void begin(size_t t, int32_t all) {
    begin(t, _mm256_set1_epi32(all), _mm256_set1_epi32(all));
  }
  // Adds 4 columns, the step'th in a row.
  template <Unsigned Side, typename X>
  GEMMA_AVXVNNI_INLINE void add(size_t step, __m256i weights0, __m256i weights1, const X* x,
                                size_t x_stride) {
    auto& chain = lanes[step % kChains];
    for (size_t t = 0; t < T; ++t) {
      const __m256i columns = broadcast4(x + t * x_stride);
      chain[t][0] = dot4<Side>(chain[t][0], weights0, columns);
      chain[t][1] = dot4<Side>(chain[t][1], weights1, columns);
    }
  }
  GEMMA_AVXVNNI_INLINE __m256i total(size_t t, size_t half) const {
    if constexpr (kChains == 1) return lanes[0][t][half];
    return _mm256_add_epi32(lanes[0][t][half], lanes[kChains - 1][t][half]);
  }
};

// Adds a group of packed nibbles, each less kOffset; token t's 32 columns are at x + t * x_stride.
template <size_t T, Unsigned Side, int kOffset, typename X>
GEMMA_AVXVNNI_INLINE void add_nibble_group(const std::byte* lines, const X* x, size_t x_stride,
                                           Sums<T>& sums) {
  const __m256i nibble = _mm256_set1_epi8(15), offset = _mm256_set1_epi8(kOffset);
#pragma GCC unroll 4
  for (size_t line = 0; line < 4; ++line, lines += kLine, x += 8) {
    prefetch<T>(lines);
    const __m256i packed0 = load(lines), packed1 = load(lines + 32);
    __m256i low0 = _mm256_and_si256(packed0, nibble), low1 = _mm256_and_si256(packed1, nibble);
    __m256i high0 = _mm256_and_si256(_mm256_srli_epi16(packed0, 4), nibble);
    __m256i high1 = _mm256_and_si256(_mm256_srli_epi16(packed1, 4), nibble);
    if constexpr (kOffset != 0) {
      low0 = _mm256_sub_epi8(low0, offset), low1 = _mm256_sub_epi8(low1, offset);
      high0 = _mm256_sub_epi8(high0, offset), high1 = _mm256_sub_epi8(high1, offset);
    }
    sums.template add<Side>(0, low0, low1, x, x_stride);
    sums.template add<Side>(1, high0, high1, x + 4, x_stride);
  }
}

template <int kFlip>
GEMMA_AVXVNNI_INLINE __m256i load_flipped(const std::byte* p) {
  return kFlip == 0 ? load(p) : _mm256_xor_si256(load(p), _mm256_set1_epi8(static_cast<char>(kFlip)));
}

// Adds n lines of bytes, 4 columns each, each byte XORed with `flip`.
template <size_t T, Unsigned Side, int kFlip = 0, typename X>
GEMMA_AVXVNNI_INLINE void add_byte_lines(const std::byte* lines, size_t n, const X* x, size_t x_stride,
                                         Sums<T>& sums) {
  size_t i = 0;
  for (; i + 2 <= n; i += 2, lines += 2 * kLine, x += 8) {
    prefetch<T>(lines);
    prefetch<T>(lines + kLine);
    sums.template add<Side>(0, load_flipped<kFlip>(lines), load_flipped<kFlip>(lines + 32), x, x_stride);
    sums.template add<Side>(1, load_flipped<kFlip>(lines + kLine), load_flipped<kFlip>(lines + kLine + 32),
                            x + 4, x_stride);
  }
  if (i < n)
    sums.template add<Side>(0, load_flipped<kFlip>(lines), load_flipped<kFlip>(lines + 32), x, x_stride);
}

// How unpacked bytes are multiplied, as avx2::multiply_unpacked wants to know it.
template <Unsigned Side>
struct DotSums {
  template <size_t T>
  GEMMA_AVXVNNI static void multiply(const std::byte* bytes, size_t groups, const void* activations,
                                     size_t x_stride, int32_t* totals) {
    const auto* x = static_cast<const int8_t*>(activations);
    Sums<T> sums;
    for (size_t t = 0; t < T; ++t) {
      sums.begin(t, load(totals + t * kPanelRows), load(totals + t * kPanelRows + 8));
    }
    for (size_t i = 0; i < groups * avx2::kByteGroupLines; i += 4, bytes += 4 * kLine, x += 16) {
#pragma GCC unroll 4
      for (size_t line = 0; line < 4; ++line) {
        sums.template add<Side>(line, load(bytes + line * kLine), load(bytes + line * kLine + 32),
                                x + line * 4, x_stride);
      }
    }
    for (size_t t = 0; t < T; ++t) {
      for (size_t half = 0; half < 2; ++half) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(totals + t * kPanelRows + half * 8),
                            sums.total(t, half));
      }
    }
  }
};

// Copies what is left of the last columns of T tokens behind one another, zeros behind them.
template <size_t T, size_t Width, typename X>
inline void copy_last(const X* x, size_t x_stride, size_t left, X (&last)[T][Width]) {
  for (size_t t = 0; t < T; ++t) {
    std::memset(last[t], 0, Width);
    std::memcpy(last[t], x + t * x_stride, left);
  }
}

}  // namespace gemma::kernels::avxvnni
