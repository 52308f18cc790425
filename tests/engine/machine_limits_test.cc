// The machine's limits: what is measured is there and in order. How large it is belongs to no test.
#include "engine/machine_limits.h"

#include <doctest/doctest.h>

using namespace gemma;

namespace {

constexpr uint64_t kSmall = uint64_t{4} << 20;

}  // namespace

TEST_CASE("bandwidth is told for every thread count, in the order asked for") {
  const std::vector<size_t> threads = {2, 1, 3};
  const auto found = measure_read_bandwidth(threads, kSmall);
  REQUIRE(found);
  REQUIRE(found->size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CHECK((*found)[i].threads == threads[i]);
    CHECK((*found)[i].median > 0);
    CHECK((*found)[i].best >= (*found)[i].median);
  }
}

TEST_CASE("more threads never have less of a limit") {
  const auto found = measure_read_bandwidth(std::vector<size_t>{1, 2, 5}, kSmall);
  REQUIRE(found);
  CHECK((*found)[0].best <= (*found)[1].best);
  CHECK((*found)[1].best <= (*found)[2].best);
}

TEST_CASE("a buffer that cannot be had is an error, not a crash") {
  const auto found = measure_read_bandwidth(std::vector<size_t>{1}, uint64_t{1} << 60);
  REQUIRE(!found);
  CHECK(found.error().code == ErrorCode::kResource);
}

TEST_CASE("multiply-adds are told of instruction sets with instructions for them, and of no others") {
  using kernels::Isa;
  using kernels::PeakOperands;
  CHECK(!measure_multiply_adds(Isa::kPortable, PeakOperands::kInt4));
  const Isa best = kernels::supported_isas().front();
  if (best != Isa::kPortable) {
    CHECK(measure_multiply_adds(best, PeakOperands::kFloat32).value_or(0) > 0);
    CHECK(measure_multiply_adds(best, PeakOperands::kFloat32, 3).value_or(0) > 0);
  }
  // No CPU has both.
  const bool arm = kernels::find_peak_loop(Isa::kAvx2, PeakOperands::kInt4) == nullptr;
  CHECK(!measure_multiply_adds(arm ? Isa::kAvx2 : Isa::kNeonDotprod, PeakOperands::kInt4));
}

TEST_CASE("the buffer for bandwidth is larger than the caches") {
  CHECK(bandwidth_buffer_bytes() >= 4 * last_cache_bytes());
  CHECK(bandwidth_buffer_bytes() >= uint64_t{512} << 20);
}

TEST_CASE("a cycle is a time") {
  CHECK(seconds_per_cycle() > 0);
  CHECK(seconds_per_cycle() < 1e-6);
}
