// Weight quantization: the definitions, in plain scalar code that fake and real schemes share. All functions
// work on one row or group; the caller loops and threads.
#pragma once

#include <bit>
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

// Recovers the trained grid w = bf16(step * level), step > 0, levels -8..7. With a = max |w| and t = w *
// (1/a) the smallest |level| m of the peak, 1..8, is taken for which every x = t * m lies within m * 2^-7 of
// l = min(rint(x), 7): those are the levels. If their greatest common divisor is 1 they are the trained ones,
// whatever the step: docs/decisions/003-recovered-levels-are-exact.md has the proof. (A group shows its
// levels only up to a common divisor: {2, 4} * s and {1, 2} * 2 s are the same numbers.) The step: |w|
// confines it to what rounds to |w|, divided by |l|; of the intersection of these intervals over the group
// the bfloat16 value nearest to its middle if it gives the stored bits again, else the middle, or the least
// squares of w over l if nothing is left of them, stored as fp16. Every step of the intersection gives the
// stored bits again; a trained step that is a bfloat16 value of at least 2^-14 comes back itself if it is the
// only one there, as in every group with a level of +-1, 2, 4 or -8. One below 2^-14 is stored with an error
// of up to 2^-25. All zeros: true with step 0 and levels 0. False (levels, scale untouched): the group is on
// no 4-bit grid, or its step is none that fp16 can hold (at most 2^-25, 65520 or more).
bool q4_0_recover_grid(std::span<const float, 32> w, std::span<int8_t, 32> levels, uint16_t& scale_f16);

// Intervals of steps meet if they miss each other by no more than this factor: their ends are float32 values.
inline constexpr float kStepSlack = 1 + 0x1p-20f;
// A step becomes a finite fp16 other than 0 if it lies between these two.
inline constexpr float kLeastStep = 0x1p-25f;
inline constexpr float kStepLimit = 65520.0f;

// The bfloat16 value nearest to the middle of an interval of steps, and whether it lies inside beyond doubt,
// at an end (where only the weights themselves can tell), or outside.
enum class StepPlace { kInside, kAtTheEnd, kOutside };
inline StepPlace place_bf16_step(float low, float high, float& step) {
  const uint32_t bits = std::bit_cast<uint32_t>((low + high) * 0.5f);
  step = std::bit_cast<float>((bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u);
  if (low * kStepSlack <= step && step * kStepSlack <= high) return StepPlace::kInside;
  return low <= step * kStepSlack && step <= high * kStepSlack ? StepPlace::kAtTheEnd : StepPlace::kOutside;
}

// What KernelTable::recover_grid stores as the scale of a group that is on no grid (a NaN).
inline constexpr uint16_t kOffGrid = 0x7e00;

// For groups that should lie on a grid and do not: the textbook's levels and scale, or the least-squares
// scale of those levels (sum w l / sum l^2, stored as fp16) with levels rounded anew, rint(w / scale) clamped
// to -8..7, if its sum of squared errors (float64, in order) is smaller.
uint16_t q4_0_least_error(std::span<const float, 32> w, std::span<int8_t, 32> levels);

// Conversions that quantization needs in scalar form (round to nearest even).
uint16_t to_f16(float x);
float from_f16(uint16_t x);
uint16_t to_bf16(float x);
float from_bf16(uint16_t x);

}  // namespace gemma::kernels
