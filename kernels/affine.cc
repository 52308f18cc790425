#include "kernels/affine.h"

namespace gemma::kernels {

AffineGrid affine_grid(float lowest, float highest, int bits) {
  const double low = std::min(lowest, 0.0f), high = std::max(highest, 0.0f);
  AffineGrid grid;
  grid.scale = static_cast<float>((high - low) / highest_level(bits));
  if (grid.scale == 0) return grid;
  const float zero = std::nearbyint(static_cast<float>(-low) / grid.scale);
  grid.zero = std::clamp(zero, 0.0f, highest_level(bits));
  return grid;
}

AffineGrid affine_grid_of(std::span<const float> x, int bits) {
  float lowest = 0, highest = 0;
  for (float value : x) {
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  return affine_grid(lowest, highest, bits);
}

void affine_round(std::span<const float> x, const AffineGrid& grid, int bits, float* y) {
  if (grid.scale == 0) {
    std::fill_n(y, x.size(), 0.0f);
    return;
  }
  for (size_t i = 0; i < x.size(); ++i) y[i] = grid.scale * (affine_level(x[i], grid, bits) - grid.zero);
}

}  // namespace gemma::kernels
