#include "engine/evaluation/sample_mean.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace gemma {
namespace {

TEST_CASE("the standard error is the sample deviation over the root of n") {
  const SampleMean found = sample_mean(std::vector<double>{1, 2, 3, 4});
  CHECK(found.value == 2.5);
  CHECK(found.standard_error == doctest::Approx(std::sqrt(5.0 / 3 / 4)).epsilon(1e-15));
}

TEST_CASE("one value has no deviation, and no value is zero") {
  CHECK(sample_mean(std::vector<double>{3}).value == 3);
  CHECK(sample_mean(std::vector<double>{3}).standard_error == 0);
  CHECK(sample_mean({}).value == 0);
}

}  // namespace
}  // namespace gemma
