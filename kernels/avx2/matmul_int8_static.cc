#if defined(__x86_64__)

#include "kernels/avx2/unpack.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

// The upper nibble of a two's complement byte, with its sign.
constexpr int8_t kSigned[16] = {0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1};

// An unsigned and a signed byte can reach 255 * 128 * 2, twice what int16 holds, and moving signs, as
// int8_channel does, would lose an activation of -128. So an activation is split into 16 * upper + lower, lower
// -8..7 and so upper -8..8: 8 products of either with level + 128 (255 * 8 * 2 * 8 = 32640) may be added in
// int16. The widening multiplication by ones or 16 puts them together again. Activations are split once for all
// panels side by side.
template <size_t T>
struct SplitColumns {
  alignas(32) int8_t lower[T][kGroup];
  alignas(32) int8_t upper[T][kGroup];

  GEMMA_AVX2_INLINE void split(const int8_t* x, size_t x_stride) {
    const __m256i nibble = _mm256_set1_epi8(15), eight = _mm256_set1_epi8(8);
    const __m256i sign =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kSigned)));
    for (size_t t = 0; t < T; ++t, x += x_stride) {
      // lower = ((x + 8) & 15) - 8; what is added carries into the upper nibble. Beyond 127 (x of 120 and more)
      // the carry makes it -8 where 8 is meant: the blend puts that right.
      const __m256i columns = load(x), raised = _mm256_add_epi8(columns, eight);
      const __m256i high = _mm256_shuffle_epi8(sign, _mm256_and_si256(_mm256_srli_epi16(raised, 4), nibble));
      const __m256i wrapped = _mm256_cmpgt_epi8(columns, _mm256_set1_epi8(119));
      _mm256_store_si256(reinterpret_cast<__m256i*>(lower[t]),
                         _mm256_sub_epi8(_mm256_and_si256(raised, nibble), eight));
      _mm256_store_si256(reinterpret_cast<__m256i*>(upper[t]), _mm256_blendv_epi8(high, eight, wrapped));
    }
  }
};

// Adds the products of a group of 32 columns. Many tokens take 8 rows at a time: 6 tokens need 12 sums of the
// two kinds, which is what registers hold.
template <size_t P, size_t T>
GEMMA_AVX2_INLINE void multiply_lines(const std::byte* lines, const SplitColumns<T>& x,
                                      __m256i (&total)[T][2]) {
  constexpr size_t kHalves = T <= 2 ? 2 : 1;
  const __m256i sixteen = _mm256_set1_epi16(16), sign_bits = _mm256_set1_epi8(-128);
  for (size_t first = 0; first < 2; first += kHalves) {
    // Broadcast anew: left to itself GCC keeps the first half's 96 broadcasts on the stack.
    if (kHalves == 1) asm volatile("" ::: "memory");
    __m256i lower[T][kHalves] = {}, upper[T][kHalves] = {};
#pragma GCC unroll 8
    for (size_t line = 0; line < kByteGroupLines; ++line) {
      const std::byte* rows = lines + line * kLine + first * 32;
      if (first == 0) ask_ahead<P, T>(rows);
      __m256i weights[kHalves];
#pragma GCC unroll 2
      for (size_t half = 0; half < kHalves; ++half) {
        weights[half] = _mm256_xor_si256(load(rows + half * 32), sign_bits);
      }
#pragma GCC unroll 6
      for (size_t t = 0; t < T; ++t) {
        const __m256i low = broadcast4(x.lower[t] + line * 4), high = broadcast4(x.upper[t] + line * 4);
#pragma GCC unroll 2
        for (size_t half = 0; half < kHalves; ++half) {
          multiply_add(lower[t][half], weights[half], low);
          multiply_add(upper[t][half], weights[half], high);
        }
      }
    }
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
#pragma GCC unroll 2
      for (size_t half = 0; half < kHalves; ++half) {
        __m256i& sum = total[t][first + half];
        sum = _mm256_add_epi32(sum, widen(lower[t][half]));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(upper[t][half], sixteen));
      }
    }
  }
}

struct Int8Static {
  template <size_t P, size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    __m256i total[P][T][2];
    begin_sums(128, acts, at, total);
    const int8_t* x = acts.q + at.token * w.cols;
    for (Steps<T> step(w, at, kByteGroup, x); step.more(); step.next()) {
      SplitColumns<T> columns;
      columns.split(step.columns, step.stride);
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) multiply_lines<P, T>(step.panel(p), columns, total[p]);
    }
    store_outputs<FixedScales>(w, acts, at, total);
  }
};

}  // namespace

void matmul_int8_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_unpacked<Int8Planes, Int16Sums<2>, FixedScales>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<Int8Static>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
