#include "engine/random.h"

#include <chrono>
#include <cmath>
#include <exception>
#include <random>

namespace gemma {
namespace {

constexpr uint64_t kGamma = 0x9E3779B97F4A7C15;        // 2^64 / golden ratio, odd
constexpr uint64_t kStreamGamma = 0xD1342543DE82EF95;  // odd, and no multiple of the other

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

}  // namespace

// One-to-one in the stream for each seed; the two must not be interchangeable.
Random::Random(uint64_t seed, uint64_t stream) : key_(mix(mix(seed + kGamma) + stream * kStreamGamma)) {}

uint64_t Random::next() {
  return mix(key_ + ++position_ * kGamma);
}

double Random::uniform() {
  return static_cast<double>(next() >> 11) * 0x1p-53;
}

double Random::gumbel() {
  // The middle of one of 2^52 cells, never 0 or 1: 53 bits, so nothing is rounded.
  const double u = (static_cast<double>(next() >> 12) + 0.5) * 0x1p-52;
  return -std::log(-std::log(u));
}

uint64_t fresh_seed() {
  uint64_t entropy = 0;
  try {
    std::random_device device;
    entropy = (static_cast<uint64_t>(device()) << 32) | device();
  } catch (const std::exception&) {
    entropy = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  }
  return mix(entropy) >> 11;
}

}  // namespace gemma
