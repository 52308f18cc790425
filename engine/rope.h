// Rotary position embeddings: the angles. Frequencies and angles are float64, rounded once to float32 cosines
// and sines; the rotation itself is a kernel (kernels/kernel_table.h).
//   default:       inv_freq[j] = theta^(-2j / head_dim) / factor for every pair j < head_dim / 2
//   proportional:  the same for the first floor(partial_rotary_factor * head_dim / 2) pairs, 0 for the rest:
//                  the exponent's denominator stays the whole head_dim
// Source: transformers' "proportional" rope type; gemma-4 full-attention layers use it with factor 0.25.
#pragma once

#include <cstddef>
#include <vector>

#include "loader/config.h"

namespace gemma {

// (head_dim / 2) angles per position and radian.
std::vector<double> rope_frequencies(const RopeConfig& rope, size_t head_dim);

// cos and sin of position * frequency, each (frequencies.size()).
void rope_angles(const std::vector<double>& frequencies, size_t position, float* cos, float* sin);

}  // namespace gemma
