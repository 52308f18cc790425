#if defined(__x86_64__)

#include "kernels/avxvnni/panel.h"
#include "kernels/int8_group.h"
#include "kernels/integer_kernels.h"

namespace gemma::kernels::avxvnni {
namespace {

// Sum of x[0..16).
GEMMA_AVXVNNI_INLINE int32_t sum16(const int8_t* x) {
  const __m128i columns = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  const __m256i fours = dot4(_mm256_setzero_si256(), _mm256_set1_epi8(1), _mm256_zextsi128_si256(columns));
  const __m128i low = _mm256_castsi256_si128(fours);
  const __m128i pairs = _mm_add_epi32(low, _mm_shuffle_epi32(low, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0xB1)));
}

// Group is 16 or 32 columns. Levels become unsigned by their sign bit; the 128 that each is then too large is
// where the sums begin, negated: 128 times the sum of the group's activations.
template <size_t Group>
struct Int8Group {
  template <size_t P, size_t T>
  GEMMA_AVXVNNI static void tile(const MatrixView& w, const Activations& acts, const TilePlace& at) {
    constexpr size_t kHalves = kGroup / Group;  // groups of weights in one of activations
    const size_t x_groups = w.cols / kGroup;
    const size_t panel_bytes = x_groups * kHalves * int8_group_bytes(Group);
    const size_t apart = at.apart * panel_bytes;
    const std::byte* group = w.data + at.panel * panel_bytes;
    const int8_t* x = acts.q + at.token * w.cols;
    const float* x_scales = acts.scales + at.token * x_groups;
    const int32_t* x_sums = acts.sums + at.token * x_groups;

    __m256 total[P][T][2] = {};
    for (size_t g = 0; g < x_groups; ++g) {
      int32_t left[T];  // sums of the columns that are not yet done
#pragma GCC unroll 6
      for (size_t t = 0; t < T; ++t) left[t] = x_sums[t * x_groups + g];
      for (size_t part = 0; part < kHalves; ++part, x += Group, group += int8_group_bytes(Group)) {
        Sums<P, T> sums;
#pragma GCC unroll 6
        for (size_t t = 0; t < T; ++t) {
          const int32_t sum = part + 1 == kHalves ? left[t] : sum16(x + t * w.cols);
          left[t] -= sum;
          const __m256i begin = _mm256_set1_epi32(-128 * sum);
#pragma GCC unroll 4
          for (size_t p = 0; p < P; ++p) sums.begin(p, t, begin);
        }
        add_byte_lines<Group / 4>(group, apart, x, w.cols, sums);
#pragma GCC unroll 4
        for (size_t p = 0; p < P; ++p) {
          // Read by unaligned loads only.
          const auto* stored = reinterpret_cast<const float*>(group + p * apart + Group / 4 * kLine);
          ask_ahead<P, T>(stored);
#pragma GCC unroll 2
          for (size_t half = 0; half < 2; ++half) {
            const __m256 scales = _mm256_loadu_ps(stored + half * 8);
#pragma GCC unroll 6
            for (size_t t = 0; t < T; ++t) {
              const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(x_scales[t * x_groups + g]));
              total[p][t][half] = _mm256_add_ps(
                  total[p][t][half], _mm256_mul_ps(_mm256_cvtepi32_ps(sums.total(p, t, half)), scale));
            }
          }
        }
      }
    }
    avx2::store_totals(at, total);
  }
};

}  // namespace

void matmul_int8_group(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride) {
  if (w.group == kGroup) {
    avx2::for_each_tile<Int8Group<kGroup>>(w, acts, row0, row1, out, out_stride);
  } else {
    avx2::for_each_tile<Int8Group<kGroup / 2>>(w, acts, row0, row1, out, out_stride);
  }
}

}  // namespace gemma::kernels::avxvnni

#endif
