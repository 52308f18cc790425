#include "loader/bpe_hash.h"

#include <chrono>
#include <exception>
#include <random>

namespace gemma {

namespace {

uint64_t draw() {
  constexpr uint64_t kGoldenRatio =
      0x9E3779B97F4A7C15u;  // its bits are well spread, and stay so under the xor
  try {
    std::random_device device;
    return (kGoldenRatio ^ static_cast<uint64_t>(device()) << 31 ^ static_cast<uint64_t>(device()) << 1) | 1;
  } catch (const std::exception&) {  // no source of randomness: the clock is still nothing a file knows
    return (kGoldenRatio ^
            static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count())) |
           1;
  }
}

}  // namespace

uint64_t hash_multiplier() {
  static const uint64_t multiplier = draw();
  return multiplier;
}

}  // namespace gemma
