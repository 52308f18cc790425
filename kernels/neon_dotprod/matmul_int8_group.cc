#include "kernels/int8_group.h"
#include "kernels/integer_kernels.h"
#include "kernels/neon_dotprod/panel.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {
namespace {

// Adds one line of 4 columns, which meet lane L of the activations.
template <size_t T, int L>
GEMMA_DOTPROD_INLINE void multiply_level_line(const std::byte* line, const int8x16_t (&columns)[T],
                                              int32x4_t (&sums)[T][kQuarters]) {
  for (size_t i = 0; i < kQuarters; ++i) {
    const int8x16_t weights = load_levels(line + i * 16);
    for (size_t t = 0; t < T; ++t) sums[t][i] = vdotq_laneq_s32(sums[t][i], weights, columns[t], L);
  }
}

struct Int8Group {
  template <size_t T>
  GEMMA_DOTPROD static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const size_t groups = w.cols / w.group;
    const size_t x_groups = w.cols / kGroup;
    const std::byte* line = w.data + panel * groups * int8_group_bytes(w.group);
    const int8_t* x = acts.q + token * w.cols;
    const float* x_scales = acts.scales + token * x_groups;

    float32x4_t total[T][kQuarters];
    for (size_t t = 0; t < T; ++t) {
      for (size_t i = 0; i < kQuarters; ++i) total[t][i] = vdupq_n_f32(0);
    }
    for (size_t g = 0; g < groups; ++g) {
      int32x4_t sums[T][kQuarters];
      for (size_t t = 0; t < T; ++t) {
        for (size_t i = 0; i < kQuarters; ++i) sums[t][i] = vdupq_n_s32(0);
      }
      for (size_t c = 0; c < w.group; c += 16, x += 16, line += 4 * kLine) {
        int8x16_t columns[T];
        for (size_t t = 0; t < T; ++t) columns[t] = vld1q_s8(x + t * w.cols);
        multiply_level_line<T, 0>(line, columns, sums);
        multiply_level_line<T, 1>(line + kLine, columns, sums);
        multiply_level_line<T, 2>(line + 2 * kLine, columns, sums);
        multiply_level_line<T, 3>(line + 3 * kLine, columns, sums);
      }
      for (size_t i = 0; i < kQuarters; ++i) {
        const auto* stored = reinterpret_cast<const uint8_t*>(line + i * 16);
        const float32x4_t scales = vreinterpretq_f32_u8(vld1q_u8(stored));
        for (size_t t = 0; t < T; ++t) {
          const float x_scale = x_scales[t * x_groups + g * w.group / kGroup];
          const float32x4_t scale = vmulq_f32(scales, vdupq_n_f32(x_scale));
          // Two roundings, as in the definition: no vfmaq.
          total[t][i] = vaddq_f32(total[t][i], vmulq_f32(vcvtq_f32_s32(sums[t][i]), scale));
        }
      }
      line += kLine;
    }
    for (size_t t = 0; t < T; ++t) store_rows(total[t], rows, out + t * out_stride);
  }
};

}  // namespace

void matmul_int8_group(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride) {
  for_each_tile<Int8Group>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::neon_dotprod

#endif
