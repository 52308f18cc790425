#if defined(__x86_64__)

#include "kernels/avx2/unpacked_groups.h"
#include "kernels/int8_group.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

// Lines of 4 columns whose int16 products may be added before they are widened: |w| times |x| <= 127, in
// pairs. 8-bit levels: 2 * 128 * 127 = 32512, one line. 6-bit levels: 2 * 32 * 127 = 8128, four lines =
// 32512.
constexpr size_t kLinesOf8Bits = 1;
constexpr size_t kLinesOf6Bits = 4;

// Adds `Lines` lines to the int32 sums. As in matmul_int8_channel.cc the unsigned side is |w|, and its sign
// moves to the activation.
template <size_t P, size_t T, size_t Lines>
GEMMA_AVX2_INLINE void multiply_lines(const std::byte* line, const int8_t* x, size_t x_stride,
                                      __m256i (&total)[T][2]) {
  __m256i sums[T][2];
#pragma GCC unroll 6
  for (size_t t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
  for (size_t i = 0; i < Lines; ++i, line += kLine, x += 4) {
    ask_ahead<P, T>(line);
    const __m256i weights0 = load(line), weights1 = load(line + 32);
    const __m256i magnitudes0 = _mm256_abs_epi8(weights0), magnitudes1 = _mm256_abs_epi8(weights1);
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      const __m256i columns = broadcast4(x + t * x_stride);
      multiply_add(sums[t][0], magnitudes0, _mm256_sign_epi8(columns, weights0));
      multiply_add(sums[t][1], magnitudes1, _mm256_sign_epi8(columns, weights1));
    }
  }
  add_widened(sums, total);
}

template <size_t Lines>
struct Int8Group {
  template <size_t P, size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    const size_t groups = w.cols / w.group;
    const size_t x_groups = w.cols / kGroup;
    const size_t group_lines = w.group / 4;
    const size_t apart = at.apart * groups * int8_group_bytes(w.group);
    const std::byte* group = w.data + at.panel * groups * int8_group_bytes(w.group);
    const int8_t* x = acts.q + at.token * w.cols;
    const float* x_scales = acts.scales + at.token * x_groups;

    __m256 total[P][T][2] = {};
    for (size_t g = 0; g < groups; ++g, x += w.group, group += int8_group_bytes(w.group)) {
#pragma GCC unroll 4
      for (size_t p = 0; p < P; ++p) {
        const std::byte* line = group + p * apart;
        __m256i sums[T][2] = {};
        for (size_t i = 0; i < group_lines; i += Lines, line += Lines * kLine) {
          multiply_lines<P, T, Lines>(line, x + i * 4, w.cols, sums);
        }
        const float* stored = reinterpret_cast<const float*>(line);  // read by unaligned loads only
        ask_ahead<P, T>(line);
#pragma GCC unroll 2
        for (size_t half = 0; half < 2; ++half) {
          const __m256 scales = _mm256_loadu_ps(stored + half * 8);
#pragma GCC unroll 6
          for (size_t t = 0; t < T; ++t) {
            const float x_scale = x_scales[t * x_groups + g * w.group / kGroup];
            const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(x_scale));
            total[p][t][half] =
                _mm256_add_ps(total[p][t][half], _mm256_mul_ps(_mm256_cvtepi32_ps(sums[t][half]), scale));
          }
        }
      }
    }
    store_totals(at, total);
  }
};

// Adds float(isum) * (w_scale * x_scale) of one group to the 16 totals of a token.
GEMMA_AVX2_INLINE void add_scaled(__m256i isum0, __m256i isum1, const float* scales, float x_scale,
                                  float* total) {
  const __m256 factor = _mm256_set1_ps(x_scale);
  const __m256 product0 =
      _mm256_mul_ps(_mm256_cvtepi32_ps(isum0), _mm256_mul_ps(_mm256_load_ps(scales), factor));
  const __m256 product1 =
      _mm256_mul_ps(_mm256_cvtepi32_ps(isum1), _mm256_mul_ps(_mm256_load_ps(scales + 8), factor));
  _mm256_store_ps(total, _mm256_add_ps(_mm256_load_ps(total), product0));
  _mm256_store_ps(total + 8, _mm256_add_ps(_mm256_load_ps(total + 8), product1));
}

GEMMA_AVX2_INLINE void copy_scales(const std::byte* stored, float* scales) {
  std::memcpy(scales, stored, kPanelRows * sizeof(float));
}

// Many tokens, groups of 32: the two nibbles of level + 128 lie apart, as in Int8Planes. Each
// plane is summed in int16 over the whole group, and no sign has to move.
struct Planes {
  static constexpr size_t kGroups = kBlockGroups / 2, kPackedGroup = int8_group_bytes(kGroup);
  alignas(64) std::byte low[kGroups][kByteGroup];
  alignas(64) std::byte high[kGroups][kByteGroup];
  alignas(32) float scales[kGroups][kPanelRows];

  GEMMA_AVX2 void unpack(const std::byte* group, size_t n) {
    for (size_t g = 0; g < n; ++g, group += kPackedGroup) {
      split_byte_group(group, low[g], high[g]);
      copy_scales(group + kByteGroup, scales[g]);
    }
  }

  template <size_t T>
  GEMMA_AVX2 static void multiply(const Planes& block, size_t n, const int8_t* x, size_t x_stride,
                                  const float* x_scales, const int32_t* x_sums, size_t groups,
                                  float* totals) {
    const __m256i sixteen = _mm256_set1_epi16(16);
    for (size_t g = 0; g < n; ++g, x += kGroup, ++x_scales, ++x_sums) {
      __m256i sums[T][2], upper[T][2];
      multiply_byte_group<T, true>(block.high[g], x, x_stride, sums);
#pragma GCC unroll 6
      for (size_t t = 0; t < T; ++t) {
#pragma GCC unroll 2
        for (size_t half = 0; half < 2; ++half) upper[t][half] = _mm256_madd_epi16(sums[t][half], sixteen);
      }
      // Broadcast anew: left to itself GCC keeps the first plane's 48 broadcasts on the stack, a quarter slower.
      asm volatile("" ::: "memory");
      multiply_byte_group<T, true>(block.low[g], x, x_stride, sums);
#pragma GCC unroll 6
      for (size_t t = 0; t < T; ++t) {
        const __m256i zero = _mm256_slli_epi32(_mm256_set1_epi32(x_sums[t * groups]), 7);
        const __m256i isum0 = _mm256_add_epi32(_mm256_sub_epi32(upper[t][0], zero), widen(sums[t][0]));
        const __m256i isum1 = _mm256_add_epi32(_mm256_sub_epi32(upper[t][1], zero), widen(sums[t][1]));
        add_scaled(isum0, isum1, block.scales[g], x_scales[t * groups], totals + t * kPanelRows);
      }
    }
  }
};

// Many tokens, 6 bits in groups of 16. Here the activation is the unsigned side, level + 128, so no sign has
// to move: pairs are at most 255 * 32 * 2 = 16320. Sums begin at what the 128 adds, negated, which the weights
// alone tell. In between they may wrap around in int16; the sum of the 8 products of a lane does not leave
// it: 8 * 32 * 127 = 32512.
struct SixBits {
  static constexpr size_t kGroups = kBlockGroups / 2;  // of 32 columns
  static constexpr size_t kHalfLines = kByteGroupLines / 2, kHalfBytes = kByteGroup / 2;
  static constexpr size_t kPackedGroup = 2 * int8_group_bytes(kGroup / 2);
  alignas(64) std::byte bytes[kGroups][2][kHalfBytes];
  alignas(32) int16_t begins[kGroups][2][2 * kPanelRows];
  alignas(32) float scales[kGroups][2][kPanelRows];

  GEMMA_AVX2 void unpack(const std::byte* group, size_t n) {
    const __m256i zero_level = _mm256_set1_epi8(-128);  // unsigned: 128
    for (size_t g = 0; g < n; ++g) {
      for (size_t half = 0; half < 2; ++half, group += kPackedGroup / 2) {
        std::memcpy(bytes[g][half], group, kHalfBytes);
        copy_scales(group + kHalfBytes, scales[g][half]);
        for (size_t rows = 0; rows < 2; ++rows) {
          __m256i begin = _mm256_setzero_si256();
          for (size_t line = 0; line < kHalfLines; ++line) {
            const __m256i levels = load(group + line * kLine + rows * 32);
            begin = _mm256_sub_epi16(begin, _mm256_maddubs_epi16(zero_level, levels));
          }
          _mm256_store_si256(reinterpret_cast<__m256i*>(begins[g][half] + rows * kPanelRows), begin);
        }
      }
    }
  }

  template <size_t T>
  GEMMA_AVX2 static void multiply(const SixBits& block, size_t n, const int8_t* signed_x, size_t x_stride,
                                  const float* x_scales, const int32_t*, size_t groups, float* totals) {
    constexpr size_t kStride = kGroups * kGroup;
    alignas(32) int8_t unsigned_x[T][kStride];
    const __m256i sign_bits = _mm256_set1_epi8(-128);
#pragma GCC unroll 6
    for (size_t t = 0; t < T; ++t) {
      for (size_t i = 0; i < n * kGroup; i += 32) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(unsigned_x[t] + i),
                           _mm256_xor_si256(load(signed_x + t * x_stride + i), sign_bits));
      }
    }
    const int8_t* x = unsigned_x[0];
    for (size_t g = 0; g < n; ++g, ++x_scales) {
#pragma GCC unroll 1
      for (size_t half = 0; half < 2; ++half, x += kGroup / 2) {
        const __m256i begin0 = load(block.begins[g][half]), begin1 = load(block.begins[g][half] + kPanelRows);
        __m256i sums[T][2];
#pragma GCC unroll 4
        for (size_t line = 0; line < kHalfLines; ++line) {
          const std::byte* weights = block.bytes[g][half] + line * kLine;
          const __m256i weights0 = load(weights), weights1 = load(weights + 32);
#pragma GCC unroll 6
          for (size_t t = 0; t < T; ++t) {
            const __m256i columns = broadcast4(x + t * kStride + line * 4);
            __m256i product0 = _mm256_maddubs_epi16(columns, weights0);
            __m256i product1 = _mm256_maddubs_epi16(columns, weights1);
            asm("" : "+x"(product0), "+x"(product1));
            sums[t][0] = _mm256_add_epi16(line == 0 ? begin0 : sums[t][0], product0);
            sums[t][1] = _mm256_add_epi16(line == 0 ? begin1 : sums[t][1], product1);
            asm("" : "+x"(sums[t][0]), "+x"(sums[t][1]));
          }
        }
#pragma GCC unroll 6
        for (size_t t = 0; t < T; ++t) {
          add_scaled(widen(sums[t][0]), widen(sums[t][1]), block.scales[g][half], x_scales[t * groups],
                     totals + t * kPanelRows);
        }
      }
    }
  }
};

}  // namespace

void matmul_int8_group(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride) {
  if (acts.tokens >= kManyTokens && w.group == kGroup) {
    multiply_unpacked_groups<Planes, Planes>(w, acts, row0, row1, out, out_stride);
  } else if (acts.tokens >= kManyTokens && w.bits <= 6) {
    multiply_unpacked_groups<SixBits, SixBits>(w, acts, row0, row1, out, out_stride);
  } else if (w.bits <= 6) {
    for_each_tile<Int8Group<kLinesOf6Bits>>(w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<Int8Group<kLinesOf8Bits>>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
