#include "kernels/int8_group.h"
#include "kernels/neon_i8mm/panel.h"

#if defined(GEMMA_HAVE_NEON_I8MM)

namespace gemma::kernels::neon_i8mm {
namespace {

struct Int8Group {
  template <size_t T>
  GEMMA_I8MM static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                              size_t rows, float* out, size_t out_stride) {
    const size_t groups = w.cols / w.group, x_groups = w.cols / kGroup;
    const std::byte* line = w.data + panel * groups * int8_group_bytes(w.group);
    const int8_t* x = acts.q + token * w.cols;
    const float* x_scales = acts.scales + token * x_groups;

    float32x4_t total[T][kQuarters];
    for (size_t t = 0; t < T; ++t) {
      for (size_t i = 0; i < kQuarters; ++i) total[t][i] = vdupq_n_f32(0);
    }
    for (size_t g = 0; g < groups; ++g) {
      PairSums<T> sums;
      set_zero<T>(sums);
      for (size_t c = 0; c < w.group; c += kColumns, x += kColumns, line += Int8Levels::kLines * kLine) {
        Columns<T> columns;
        columns.load(x, w.cols, kColumns);
        multiply_columns<T, Int8Levels>(line, columns, sums);
      }
      float32x4_t scales[kQuarters];
      for (size_t i = 0; i < kQuarters; ++i) {
        scales[i] = vreinterpretq_f32_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(line + i * 16)));
      }
      line += kLine;
      for (size_t t = 0; t < T; ++t) {
        int32x4_t isums[kQuarters];
        rows_of<T>(sums, t, isums);
        const float32x4_t x_scale = vdupq_n_f32(x_scales[t * x_groups + g * w.group / kGroup]);
        for (size_t i = 0; i < kQuarters; ++i) {
          const float32x4_t scale = vmulq_f32(scales[i], x_scale);
          // Two roundings, as in the definition: no vfmaq.
          total[t][i] = vaddq_f32(total[t][i], vmulq_f32(vcvtq_f32_s32(isums[i]), scale));
        }
      }
    }
    for (size_t t = 0; t < T; ++t) neon_dotprod::store_rows(total[t], rows, out + t * out_stride);
  }
};

}  // namespace

void matmul_int8_group(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                       size_t out_stride) {
  for_each_tile<Int8Group, kGroupTileTokens>(neon_dotprod::matmul_int8_group, w, acts, row0, row1, out,
                                             out_stride);
}

}  // namespace gemma::kernels::neon_i8mm

#endif
