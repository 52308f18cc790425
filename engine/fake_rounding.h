// Rounding to levels and back where no kernel computes with the levels: zero points, and static scales in
// front of matrices that are multiplied in float. One definition for weights and activations.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/affine.h"

namespace gemma {

struct FakeRounding {
  int bits = 0;              // of a level; 0: nothing is rounded
  size_t group = 0;          // columns that share a grid, found from their values; 0: `grid` holds for all
  kernels::AffineGrid grid;  // if group is 0
  bool operator==(const FakeRounding&) const = default;

  bool rounds() const { return bits != 0; }
  // Levels -2^(bits-1)..2^(bits-1) - 1 of a scale known beforehand.
  static FakeRounding symmetric(int bits, float scale);

  // y = what the rows in x become; a group divides x. y may be x.
  void apply(std::span<const float> x, float* y) const;
};

}  // namespace gemma
