#if defined(__x86_64__)

#include "kernels/avx2/static_panel.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avx2 {
namespace {

constexpr size_t kGroupLines = kGroup / 4;

// The upper nibble of a two's complement byte, with its sign.
constexpr int8_t kSigned[16] = {0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1};

// Adds the products of up to 8 lines of 4 columns to the sums of 8 rows. An unsigned and a signed byte can
// reach 255 * 128 * 2, twice what int16 holds, and moving signs would lose -128. So a weight is split into 16
// * upper + lower, upper -8..7, lower 0..15: 8 of the former (255 * 8 * 2 * 8 = 32640) and 4 of the latter
// (255 * 15 * 2 * 4 = 30600) may be added in int16. The widening multiplication by ones or 16 puts them
// together again.
template <size_t T>
GEMMA_AVX2_INLINE void multiply_lines(const std::byte* line, size_t lines, const uint8_t* x, size_t x_stride,
                                      __m256i (&total)[T]) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i sign = lookup(kSigned);
  const __m256i sixteen = _mm256_set1_epi16(16);
  __m256i upper_sums[T];
  for (size_t t = 0; t < T; ++t) upper_sums[t] = _mm256_setzero_si256();
  for (size_t first = 0; first < lines; first += 4) {
    __m256i lower_sums[T];
    for (size_t t = 0; t < T; ++t) lower_sums[t] = _mm256_setzero_si256();
    for (size_t l = first; l < std::min(lines, first + 4); ++l, line += kLine, x += 4) {
      prefetch<T>(line);
      const __m256i weights = load(line);
      const __m256i lower = _mm256_and_si256(weights, nibble);
      const __m256i upper =
          _mm256_shuffle_epi8(sign, _mm256_and_si256(_mm256_srli_epi16(weights, 4), nibble));
      for (size_t t = 0; t < T; ++t) {
        const __m256i columns = broadcast4(x + t * x_stride);
        multiply_add_static(lower_sums[t], columns, lower);
        multiply_add_static(upper_sums[t], columns, upper);
      }
    }
    for (size_t t = 0; t < T; ++t) total[t] = _mm256_add_epi32(total[t], widen(lower_sums[t]));
  }
  for (size_t t = 0; t < T; ++t) {
    total[t] = _mm256_add_epi32(total[t], _mm256_madd_epi16(upper_sums[t], sixteen));
  }
}

struct Int8Static {
  template <size_t T>
  GEMMA_AVX2 static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                              size_t rows, float* out, size_t out_stride) {
    const size_t lines = (w.cols + kGroup - 1) / kGroup * kGroupLines;
    const size_t whole = w.cols / 4;
    const std::byte* data = w.data + panel * lines * kLine;
    const uint8_t* x = acts.u + token * w.cols;
    const size_t left = w.cols % 4;
    uint8_t last[T][4] = {};  // columns of padding have weight 0, whatever the activation
    for (size_t t = 0; t < T; ++t) std::memcpy(last[t], x + t * w.cols + whole * 4, left);

    __m256i total[T][2];
    begin_sums<T>(w, panel, total);
    // Half a panel at a time: 6 tokens need 12 sums of the two kinds, which is what registers hold.
    for (size_t half = 0; half < 2; ++half) {
      const std::byte* rows8 = data + half * 32;
      __m256i sums[T];
      for (size_t t = 0; t < T; ++t) sums[t] = total[t][half];
      for (size_t l = 0; l < whole; l += kGroupLines) {
        multiply_lines<T>(rows8 + l * kLine, std::min(kGroupLines, whole - l), x + l * 4, w.cols, sums);
      }
      if (left > 0) multiply_lines<T>(rows8 + whole * kLine, 1, last[0], 4, sums);
      for (size_t t = 0; t < T; ++t) total[t][half] = sums[t];
    }
    store_outputs<T>(w, panel, total, rows, out, out_stride);
  }
};

// Two planes: w = 16 * upper + lower with lower -8..7 and so upper -8..8, which leaves both within a run of 8
// lines.
struct Int8SignedPlanes {
  static constexpr size_t kPlanes = 2, kPackedGroup = kByteGroup;

  GEMMA_AVX2 static void unpack(const MatrixView& w, size_t panel, size_t group, size_t n, std::byte* bytes) {
    const std::byte* packed = packed_group(w, panel, group, kPackedGroup);
    const __m256i nibble = _mm256_set1_epi8(15), eight = _mm256_set1_epi8(8);
    const __m256i sign = lookup(kSigned);
    for (size_t g = 0; g < n; ++g, packed += kByteGroup, bytes += 2 * kByteGroup) {
      for (size_t i = 0; i < kByteGroup; i += 32) {
        // lower = ((w + 8) & 15) - 8; what is added carries into the upper nibble. Beyond 127 (w of 120 and
        // more) the carry makes it -8 where 8 is meant: the blend puts that right.
        const __m256i weights = load(packed + i);
        const __m256i raised = _mm256_add_epi8(weights, eight);
        const __m256i upper =
            _mm256_shuffle_epi8(sign, _mm256_and_si256(_mm256_srli_epi16(raised, 4), nibble));
        const __m256i wrapped = _mm256_cmpgt_epi8(weights, _mm256_set1_epi8(119));
        auto* to = reinterpret_cast<__m256i*>(bytes + i);
        _mm256_store_si256(to, _mm256_sub_epi8(_mm256_and_si256(raised, nibble), eight));
        _mm256_store_si256(to + kByteGroup / sizeof(__m256i), _mm256_blendv_epi8(upper, eight, wrapped));
      }
    }
  }
};

}  // namespace

void matmul_int8_static(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                        size_t out_stride) {
  if (acts.tokens >= kManyTokens) {
    multiply_unpacked<Int8SignedPlanes, Int16Sums<Unsigned::kActivations, 2>, FixedScales>(
        w, acts, row0, row1, out, out_stride);
  } else {
    for_each_tile<Int8Static>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avx2

#endif
