// Rows of groups by the definitions of kernels/quantize.h, one group after the other.
#include <cmath>
#include <span>

#include "kernels/kernel_table.h"
#include "kernels/quantize.h"

namespace gemma::kernels {
namespace {

using Weights = std::span<const float, kGroup>;
using Levels = std::span<int8_t, kGroup>;

size_t recover_grid(const float* w, size_t groups, int8_t* levels, uint16_t* scales_f16) {
  size_t off_grid = 0;
  for (size_t g = 0; g < groups; ++g) {
    if (q4_0_recover_grid(Weights(w + g * kGroup, kGroup), Levels(levels + g * kGroup, kGroup),
                          scales_f16[g])) {
      continue;
    }
    scales_f16[g] = kOffGrid;
    ++off_grid;
  }
  return off_grid;
}

void textbook(const float* w, size_t groups, int8_t* levels, uint16_t* scales_f16) {
  for (size_t g = 0; g < groups; ++g) {
    scales_f16[g] = q4_0_textbook(Weights(w + g * kGroup, kGroup), Levels(levels + g * kGroup, kGroup));
  }
}

float absmax(const float* w, size_t n) {
  float largest = 0;
  for (size_t i = 0; i < n; ++i) {
    if (std::fabs(w[i]) > largest) largest = std::fabs(w[i]);
  }
  return largest;
}

void levels_of(const float* w, size_t n, float scale, int bits, int8_t* levels) {
  symmetric_levels({w, n}, scale, bits, {levels, n});
}

}  // namespace

void fill_quantize_portable(KernelTable& table) {
  table.recover_grid = recover_grid;
  table.q4_0_textbook = textbook;
  table.absmax = absmax;
  table.symmetric_levels = levels_of;
}

}  // namespace gemma::kernels
