// Random numbers for sampling: the same for the same seed on every platform, compiler and standard library.
// (The distributions of <random> are not: their algorithms are left to the implementation.)
//
//   Random random(seed);           // one text
//   Random third(seed, 3);         // the fourth of several returned sequences: a stream of its own
//   double u = random.uniform();   // [0, 1)
//
// A counter-based generator: number n is a mix of key + n * gamma, with the finaliser and the constant of
// SplitMix64 (Steele, Lea, Flood 2014), whose period is 2^64. So a position is one integer, and a stream can
// be stored, restored and skipped at no cost. Not for cryptography.
#pragma once

#include <cstdint>

namespace gemma {

class Random {
 public:
  // The key is a mix of both: neighbouring seeds and streams have nothing in common.
  explicit Random(uint64_t seed, uint64_t stream = 0);

  // All 64 bits are uniform.
  uint64_t next();

  // Uniform in [0, 1): a multiple of 2^-53.
  double uniform();

  // Standard Gumbel, -log(-log(u)): of scores s[i] + gumbel(), the n largest are a draw of n without
  // replacement from softmax(s), in the order of the draws. Finite.
  double gumbel();

  // How many numbers were drawn; seek goes to any of them.
  uint64_t position() const { return position_; }
  void seek(uint64_t position) { position_ = position; }

 private:
  uint64_t key_;
  uint64_t position_ = 0;
};

// A seed that nobody chose: from the operating system or, where that fails, from the clock. Print it, so that
// the run can be repeated. Below 2^53, so that JSON readers keep every digit.
uint64_t fresh_seed();

}  // namespace gemma
