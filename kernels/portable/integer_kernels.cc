// The integer kernels in plain C++: what each of them means. Levels are read one by one through the packed
// layout's own accessor, so that a mistake in a clever variant cannot hide in a shared trick.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/pack.h"

namespace gemma::kernels {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kGroupBytes = 4 * kLine + kPanelRows * sizeof(uint16_t);

void quantize_activations(const float* x, size_t tokens, size_t cols, size_t group, int qmax, int8_t* q,
                          float* scales, int32_t* sums) {
  const float largest = static_cast<float>(qmax);
  for (size_t g = 0; g < tokens * cols / group; ++g) {
    const float* in = x + g * group;
    float absmax = 0;
    for (size_t i = 0; i < group; ++i) absmax = std::max(absmax, std::fabs(in[i]));
    const float inverse = absmax != 0 ? largest / absmax : 0.0f;
    int32_t sum = 0;
    for (size_t i = 0; i < group; ++i) {
      // A NaN, and inf * 0, fail the comparison and become level 0.
      const float level = std::nearbyint(in[i] * inverse);
      const int clamped = level == level ? static_cast<int>(std::clamp(level, -largest, largest)) : 0;
      q[g * group + i] = static_cast<int8_t>(clamped);
      sum += clamped;
    }
    scales[g] = absmax / largest;
    sums[g] = sum;
  }
}

// Unpacks the 32 levels of one row and group of nibble lines.
void unpack_nibbles(const std::byte* lines, size_t lane, int8_t* levels) {
  for (size_t c = 0; c < kGroup; ++c) {
    const int byte = static_cast<int>(lines[c / 8 * kLine + lane * 4 + c % 4]);
    levels[c] = static_cast<int8_t>((c % 8 >= 4 ? byte >> 4 : byte & 15) - 8);
  }
}

int32_t dot(const int8_t* a, const int8_t* b, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void matmul_int4_group32(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  const size_t groups = w.cols / kGroup;
  for (size_t r = row0; r < row1; ++r) {
    const std::byte* panel = w.data + r / kPanelRows * groups * kGroupBytes;
    for (size_t t = 0; t < acts.tokens; ++t) out[t * out_stride + r] = 0;
    for (size_t g = 0; g < groups; ++g) {
      int8_t levels[kGroup];
      unpack_nibbles(panel + g * kGroupBytes, r % kPanelRows, levels);
      const float scale = weight_scale(w, r, g * kGroup);
      for (size_t t = 0; t < acts.tokens; ++t) {
        const int32_t isum = dot(levels, acts.q + t * w.cols + g * kGroup, kGroup);
        out[t * out_stride + r] += static_cast<float>(isum) * (scale * acts.scales[t * groups + g]);
      }
    }
  }
}

void matmul_int4_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  const size_t groups = (w.cols + kGroup - 1) / kGroup;
  for (size_t r = row0; r < row1; ++r) {
    const std::byte* panel = w.data + r / kPanelRows * groups * 4 * kLine;
    for (size_t t = 0; t < acts.tokens; ++t) {
      int32_t isum = 0;
      for (size_t g = 0; g < groups; ++g) {
        int8_t levels[kGroup];
        unpack_nibbles(panel + g * 4 * kLine, r % kPanelRows, levels);
        isum += dot(levels, acts.q + t * w.cols + g * kGroup, std::min(kGroup, w.cols - g * kGroup));
      }
      out[t * out_stride + r] = static_cast<float>(isum) * (w.scales[r] * acts.scales[t]);
    }
  }
}

void matmul_int8_channel(const MatrixView& w, const Activations& acts, size_t row0, size_t row1, float* out,
                         size_t out_stride) {
  const size_t lines = (w.cols + kGroup - 1) / kGroup * (kGroup / 4);
  for (size_t r = row0; r < row1; ++r) {
    const std::byte* panel = w.data + r / kPanelRows * lines * kLine + r % kPanelRows * 4;
    for (size_t t = 0; t < acts.tokens; ++t) {
      const int8_t* x = acts.q + t * w.cols;
      int32_t isum = 0;
      for (size_t c = 0; c < w.cols; ++c) isum += static_cast<int8_t>(panel[c / 4 * kLine + c % 4]) * x[c];
      out[t * out_stride + r] = static_cast<float>(isum) * (w.scales[r] * acts.scales[t]);
    }
  }
}

}  // namespace

void fill_integer_portable(KernelTable& table) {
  table.quantize_activations = quantize_activations;
  table.matmul_int4_group32 = matmul_int4_group32;
  table.matmul_int4_channel = matmul_int4_channel;
  table.matmul_int8_channel = matmul_int8_channel;
}

}  // namespace gemma::kernels
