// Random bfloat16 values by position: value i of a stream is a pure function of (key, i), so any part of a
// tensor can be made by any thread, in any order, on any CPU, and comes out the same.
//
// How: 32 random bits come from a mixing function of the pair number i / 2 and the two halves of the key;
// each of the two values takes 16 of them. The sum of two bytes, less 255, is an integer t in [-255, 255]
// with a triangular (nearly normal) distribution of mean 0 and deviation kUnitDeviation; the value is
// bfloat16(mean + scale * t), each step a float32 operation that rounds once, the last to nearest even.
// The integers are exact and IEEE 754 fixes the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace gemma {

// sqrt((256^2 - 1) / 6), the standard deviation of t.
inline constexpr float kUnitDeviation = 104.51156f;
// The largest |t|; a value lies within kUnitPeak / kUnitDeviation = 2.44 deviations of its mean.
inline constexpr float kUnitPeak = 255.0f;

struct RandomStream {
  uint64_t key = 0;
  float mean = 0;
  float scale = 0;  // standard deviation / kUnitDeviation
};

// A key for the tensor `name` under `seed`: XXH64, which is the same everywhere.
uint64_t random_key(uint64_t seed, std::string_view name);

// Values [first, first + out.size() / 2) of the stream as little-endian bfloat16. out.size() is even; its
// address may be odd. `first` may be anything: a stream is 2^64 values long.
void fill_random_bf16(const RandomStream& stream, uint64_t first, std::span<std::byte> out);

}  // namespace gemma
