#include "engine/fake_rounding.h"

namespace gemma {

FakeRounding FakeRounding::symmetric(int bits, float scale) {
  FakeRounding rounding;
  rounding.bits = bits;
  rounding.grid = {scale, static_cast<float>(1 << (bits - 1))};
  return rounding;
}

void FakeRounding::apply(std::span<const float> x, float* y) const {
  if (group == 0) return kernels::affine_round(x, grid, bits, y);
  for (size_t i = 0; i < x.size(); i += group) {
    const std::span<const float> values = x.subspan(i, group);
    kernels::affine_round(values, kernels::affine_grid_of(values, bits), bits, y + i);
  }
}

}  // namespace gemma
