#include "kernels/integer_kernels.h"
#include "kernels/neon_dotprod/panel.h"

#if defined(GEMMA_HAVE_NEON_DOTPROD)

namespace gemma::kernels::neon_dotprod {
namespace {

constexpr size_t kGroupBytes = kNibbleGroupBytes + kPanelRows * sizeof(uint16_t);

struct Int4Group32 {
  template <size_t T>
  GEMMA_DOTPROD static void tile(const MatrixView& w, const Activations& acts, size_t panel, size_t token,
                                 size_t rows, float* out, size_t out_stride) {
    const size_t groups = w.cols / kGroup;
    const std::byte* group = w.data + panel * groups * kGroupBytes;
    const int8_t* x = acts.q + token * w.cols;
    const float* x_scales = acts.scales + token * groups;
    const int32_t* x_sums = acts.sums + token * groups;

    float32x4_t total[T][kQuarters];
    for (size_t t = 0; t < T; ++t) {
      for (size_t i = 0; i < kQuarters; ++i) total[t][i] = vdupq_n_f32(0);
    }
    for (size_t g = 0; g < groups; ++g, group += kGroupBytes, x += kGroup) {
      int32x4_t sums[T][kQuarters];
      for (size_t t = 0; t < T; ++t) {
        for (size_t i = 0; i < kQuarters; ++i) sums[t][i] = vdupq_n_s32(-8 * x_sums[t * groups + g]);
      }
      multiply_group<T>(group, x, w.cols, sums);
      for (size_t i = 0; i < kQuarters; ++i) {
        const auto* stored = reinterpret_cast<const uint8_t*>(group + kNibbleGroupBytes + i * 8);
        const float32x4_t scales = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(stored)));
        for (size_t t = 0; t < T; ++t) {
          const float32x4_t scale = vmulq_f32(scales, vdupq_n_f32(x_scales[t * groups + g]));
          // Two roundings, as in the definition: no vfmaq.
          total[t][i] = vaddq_f32(total[t][i], vmulq_f32(vcvtq_f32_s32(sums[t][i]), scale));
        }
      }
    }
    for (size_t t = 0; t < T; ++t) store_rows(total[t], rows, out + t * out_stride);
  }
};

}  // namespace

void matmul_int4_group32(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  for_each_tile<Int4Group32>(w, acts, row0, row1, out, out_stride);
}

}  // namespace gemma::kernels::neon_dotprod

#endif
