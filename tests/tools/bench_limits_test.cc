// Limits measured twice: what counts is the higher figure of each.
#include "tools/bench_machine.h"

#include <doctest/doctest.h>

using namespace gemma;

TEST_CASE("of two measurements of the limits the higher figure is kept, each for itself") {
  Limits first, second;
  first.bandwidth = {{1, 10e9, 9e9}, {2, 20e9, 19e9}};
  second.bandwidth = {{2, 18e9, 17e9}, {1, 11e9, 8e9}};
  first.int8_macs_per_second = 5e9;
  second.int8_macs_per_second = 6e9;
  first.float_macs_per_second = 3e9;
  first.keep_better_of(second);
  CHECK(first.bandwidth_of(1) == 11e9);
  CHECK(first.bandwidth[0].median == 8e9);  // of the same measurement as the best
  CHECK(first.bandwidth_of(2) == 20e9);
  CHECK(first.int8_macs_per_second == 6e9);
  CHECK(first.float_macs_per_second == 3e9);
  CHECK(!first.bandwidth_of(3));
}
