// Weight quantization: the definitions, in plain scalar code that fake and real schemes share. All functions
// work on one row or group; the caller loops and threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gemma::kernels {

// --- symmetric levels: per tensor, channel or group ---
// scale = absmax / (2^(bits-1) - 1) in float32 (0 if absmax is 0); level = rint(w / scale) half to even, by
// division, clamped to +-(2^(bits-1) - 1); 2-bit levels are -1..1.
float symmetric_scale(float absmax, int bits);
void symmetric_levels(std::span<const float> w, float scale, int bits, std::span<int8_t> levels);

// --- groups of 32 at 4 bits ---
// Q4_0 as ggml defines it (textbook): m = the FIRST element of largest magnitude, sign kept; d = m / -8 in
// float32; id = d ? 1/d : 0; level = min(15, trunc(x * id + 8.5f)) - 8; the scale is stored as fp16(d).
// Levels come from the unrounded d.
uint16_t q4_0_textbook(std::span<const float, 32> w, std::span<int8_t, 32> levels);

// Recovers the trained grid w = bf16(step * level): smallest |level| m of the peak, 1..8, such that every
// element lies within absmax * 2^-7 of step * rint(w / step). The stored step is the fp16 nearest to the
// middle of the interval of steps that reproduce every bf16 value; levels are recomputed against it. All
// zeros: true with step 0 and levels 0. False (levels, scale untouched): the group is on no 4-bit grid.
bool q4_0_recover_grid(std::span<const float, 32> w, std::span<int8_t, 32> levels, uint16_t& scale_f16);

// Conversions that quantization needs in scalar form (round to nearest even).
uint16_t to_f16(float x);
float from_f16(uint16_t x);
uint16_t to_bf16(float x);
float from_bf16(uint16_t x);

}  // namespace gemma::kernels
