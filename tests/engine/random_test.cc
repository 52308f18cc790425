#include "engine/random.h"

#include <cmath>
#include <set>
#include <vector>

#include <doctest/doctest.h>

using gemma::fresh_seed;
using gemma::Random;

TEST_CASE("the numbers of a seed are these, on every platform") {
  Random random(42);
  CHECK(random.next() == 0xC5A57E8172F0A9D2ull);
  CHECK(random.next() == 0x61B3E514F002FD8Bull);
  CHECK(Random(42, 1).next() == 0x7B002510C76ACEACull);
  CHECK(Random(0).uniform() == 0x1.5a2a6c2c68b00p-2);
}

TEST_CASE("the same seed repeats itself; another seed or stream does not") {
  Random a(7), b(7), other_seed(8), other_stream(7, 1);
  for (int i = 0; i < 100; ++i) {
    const uint64_t value = a.next();
    CHECK(value == b.next());
    CHECK(value != other_seed.next());
    CHECK(value != other_stream.next());
  }
}

TEST_CASE("seeds and streams of one another are not the same numbers") {
  std::set<uint64_t> first;
  for (uint64_t seed = 0; seed < 64; ++seed) {
    for (uint64_t stream = 0; stream < 64; ++stream) first.insert(Random(seed, stream).next());
  }
  CHECK(first.size() == 64 * 64);
}

TEST_CASE("a generator goes back to any position") {
  Random random(3);
  std::vector<double> drawn;
  for (int i = 0; i < 10; ++i) drawn.push_back(random.uniform());
  CHECK(random.position() == 10);
  random.seek(4);
  CHECK(random.uniform() == drawn[4]);
}

TEST_CASE("uniform numbers lie in [0, 1), and every tenth of it gets its share") {
  constexpr int kDraws = 100000;
  Random random(1);
  std::vector<int> counts(10);
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform();
    REQUIRE(u >= 0.0);
    REQUIRE(u < 1.0);
    ++counts[static_cast<size_t>(u * 10.0)];
  }
  double chi_square = 0;
  for (int count : counts) chi_square += std::pow(count - kDraws / 10.0, 2) / (kDraws / 10.0);
  CHECK(chi_square < 27.9);  // 9 degrees of freedom, p = 0.001
}

TEST_CASE("Gumbel numbers are finite and have mean 0.577 and variance 1.645") {
  constexpr int kDraws = 100000;
  Random random(5);
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double g = random.gumbel();
    REQUIRE(std::isfinite(g));
    sum += g;
    squares += g * g;
  }
  const double mean = sum / kDraws;
  CHECK(mean == doctest::Approx(0.577216).epsilon(0.02));  // five standard errors
  CHECK(squares / kDraws - mean * mean == doctest::Approx(1.644934).epsilon(0.05));
}

TEST_CASE("fresh seeds differ and survive a double") {
  const uint64_t a = fresh_seed(), b = fresh_seed();
  CHECK(a != b);
  CHECK(a < (uint64_t{1} << 53));
}
