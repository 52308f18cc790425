// What the AVX-VNNI integer kernels share. Loads, scales, unpacking and the cutting into tiles are those of
// AVX2 (kernels/avx2/); what differs is one instruction: vpdpbusd multiplies the 4 unsigned bytes of a row by
// 4 signed ones and adds all to the row's int32 sum. Nothing can saturate, nothing is widened.
//
// The inner step, 4 columns of 16 rows and 6 tokens: 2 loads of weights, 6 broadcasts and 12 vpdpbusd, 384
// multiply-adds. One token takes a line of each of kStreams panels in turn, so that a broadcast serves all
// (`int2 static` a group of each: its 16 sums would not fit).
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
using avx2::kByteGroup;
using avx2::kLine;
using avx2::kManyTokens;
using avx2::kNibbleGroupBytes;
using avx2::load;
using avx2::Steps;

// sums + (unsigned bytes times signed bytes, four by four).
GEMMA_AVXVNNI_INLINE __m256i dot4(__m256i sums, __m256i unsigned_bytes, __m256i signed_bytes) {
#if defined(GEMMA_AVXVNNI_EVEX)
  return _mm256_dpbusd_epi32(sums, unsigned_bytes, signed_bytes);
#else
  return _mm256_dpbusd_avx_epi32(sums, unsigned_bytes, signed_bytes);
#endif
}

// The sums of P panels of 16 rows and T tokens. Where they are few, columns alternate between two sums:
// vpdpbusd takes 5 cycles, and a chain of them would be slower than memory.
template <size_t P, size_t T, size_t Chains = P* T <= 2 ? 2 : 1>
struct Sums {
  __m256i lanes[P][T][Chains][2];

  GEMMA_AVXVNNI_INLINE void begin(size_t p, size_t t, __m256i rows0, __m256i rows1) {
    lanes[p][t][0][0] = rows0;
    lanes[p][t][0][1] = rows1;
    if constexpr (Chains == 2) lanes[p][t][1][0] = lanes[p][t][1][1] = _mm256_setzero_si256();
  }
  GEMMA_AVXVNNI_INLINE void begin(size_t p, size_t t, __m256i all) { begin(p, t, all, all); }
  // Adds 4 columns of a panel, the step'th in a row.
  GEMMA_AVXVNNI_INLINE void add(size_t step, size_t p, __m256i weights0, __m256i weights1, const int8_t* x,
                                size_t x_stride) {
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      auto& chain = lanes[p][t][step % Chains];
      const __m256i columns = broadcast4(x + t * x_stride);
      chain[0] = dot4(chain[0], weights0, columns);
      chain[1] = dot4(chain[1], weights1, columns);
    }
  }
  GEMMA_AVXVNNI_INLINE __m256i total(size_t p, size_t t, size_t half) const {
    if constexpr (Chains == 1) return lanes[p][t][0][half];
    return _mm256_add_epi32(lanes[p][t][0][half], lanes[p][t][Chains - 1][half]);
  }
};

// Adds a group of packed nibbles as they are stored. Panel p's are `apart` bytes after those of the one before,
// token t's 32 columns at x + t * x_stride.
template <size_t P, size_t T, size_t Chains>
GEMMA_AVXVNNI_INLINE void add_nibble_group(const std::byte* lines, size_t apart, const int8_t* x,
                                           size_t x_stride, Sums<P, T, Chains>& sums) {
  const __m256i nibble = _mm256_set1_epi8(15);
#pragma GCC unroll 4
  for (size_t line = 0; line < 4; ++line, lines += kLine, x += 8) {
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      const std::byte* panel_line = lines + p * apart;
      ask_ahead<P, T>(panel_line);
      const __m256i packed0 = load(panel_line), packed1 = load(panel_line + 32);
      sums.add(0, p, _mm256_and_si256(packed0, nibble), _mm256_and_si256(packed1, nibble), x, x_stride);
      sums.add(1, p, _mm256_and_si256(_mm256_srli_epi16(packed0, 4), nibble),
               _mm256_and_si256(_mm256_srli_epi16(packed1, 4), nibble), x + 4, x_stride);
    }
  }
}

// Bytes with their sign bit flipped: unsigned, 128 too large.
GEMMA_AVXVNNI_INLINE __m256i load_flipped(const std::byte* p) {
  return _mm256_xor_si256(load(p), _mm256_set1_epi8(-128));
}

// Adds Lines lines of bytes, 4 columns each, as unsigned numbers.
template <size_t Lines, size_t P, size_t T, size_t Chains>
GEMMA_AVXVNNI_INLINE void add_byte_lines(const std::byte* lines, size_t apart, const int8_t* x,
                                         size_t x_stride, Sums<P, T, Chains>& sums) {
#pragma GCC unroll 8
  for (size_t i = 0; i < Lines; ++i, lines += kLine, x += 4) {
#pragma GCC unroll 4
    for (size_t p = 0; p < P; ++p) {
      const std::byte* line = lines + p * apart;
      ask_ahead<P, T>(line);
      sums.add(i, p, load_flipped(line), load_flipped(line + 32), x, x_stride);
    }
  }
}

// How unpacked bytes are multiplied, as avx2::multiply_unpacked wants to know it.
struct DotSums {
  template <size_t T>
  GEMMA_AVXVNNI static void multiply(const std::byte* bytes, size_t groups, const int8_t* x, size_t x_stride,
                                     int32_t* totals) {
    Sums<1, T> sums;
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      sums.begin(0, t, load(totals + t * kPanelRows), load(totals + t * kPanelRows + 8));
    }
    for (size_t i = 0; i < groups * avx2::kByteGroupLines; i += 4, bytes += 4 * kLine, x += 16) {
#pragma GCC unroll 4
      for (size_t line = 0; line < 4; ++line) {
        sums.add(line, 0, load(bytes + line * kLine), load(bytes + line * kLine + 32), x + line * 4,
                 x_stride);
      }
    }
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
#pragma GCC unroll 2
      for (size_t half = 0; half < 2; ++half) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(totals + t * kPanelRows + half * 8),
                            sums.total(0, t, half));
      }
    }
  }
};

}  // namespace gemma::kernels::avxvnni
