#include "kernels/neon_i8mm/panel.h"

#if defined(GEMMA_HAVE_NEON_I8MM)

namespace gemma::kernels::neon_i8mm {
namespace {

struct Int4Group32 {
  template <size_t T>
  GEMMA_I8MM static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                              size_t rows, float* out, size_t out_stride) {
    constexpr size_t kGroupBytes = kNibbleGroupBytes + kPanelRows * sizeof(uint16_t);
    const size_t groups = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * kGroupBytes;
    const int8_t* x = acts.q + token * w.cols;
    const float* x_scales = acts.scales + token * groups;
    const int32_t* x_sums = acts.sums + token * groups;

    float32x4_t total[T][kQuarters];
    for (size_t t = 0; t < T; ++t) {
      for (size_t i = 0; i < kQuarters; ++i) total[t][i] = vdupq_n_f32(0);
    }
    for (size_t g = 0; g < groups; ++g) {
      PairSums<T> sums;
      set_zero<T>(sums);
      for (size_t c = 0; c < kGroup; c += kColumns, x += kColumns) {
        Columns<T> columns;
        columns.load(x, w.cols, kColumns);
        multiply_columns<T, Int4Levels<0>>(group + c / kColumns * 2 * kLine, columns, sums);
      }
      float32x4_t scales[kQuarters];
      for (size_t i = 0; i < kQuarters; ++i) {
        const auto* stored = reinterpret_cast<const uint8_t*>(group + kNibbleGroupBytes + i * 8);
        scales[i] = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(stored)));
      }
      group += kGroupBytes;
      for (size_t t = 0; t < T; ++t) {
        int32x4_t isums[kQuarters];
        rows_of<T>(sums, t, isums);
        const int32x4_t zero = vdupq_n_s32(8 * x_sums[t * groups + g]);
        for (int32x4_t& isum : isums) isum = vsubq_s32(isum, zero);
        const float32x4_t x_scale = vdupq_n_f32(x_scales[t * groups + g]);
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

void matmul_int4_group32(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  for_each_tile<Int4Group32, kGroupTileTokens>(neon_dotprod::matmul_int4_group32, w, acts, row0, row1, out,
                                               out_stride);
}

}  // namespace gemma::kernels::neon_i8mm

#endif
