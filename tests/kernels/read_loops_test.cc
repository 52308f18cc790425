// That the loops read everything: what they return changes with any bit. How fast they are belongs to no test.
#include "kernels/read_loops.h"

#include <vector>

#include <doctest/doctest.h>

namespace gemma::kernels {
namespace {

TEST_CASE("there are loops of one and of several streams") {
  REQUIRE(read_loops().size() >= 2);
  CHECK(read_loops().front().streams == 1);
  CHECK(read_loops().back().streams > 1);
}

TEST_CASE("what a loop returns depends on every kilobyte of its streams, at any alignment") {
  constexpr size_t kStreamBytes = 3 * 1024;
  for (const ReadLoop& loop : read_loops()) {
    std::vector<std::byte> memory(kStreamBytes * loop.streams + 1);
    const std::span<std::byte> bytes = std::span(memory).subspan(1);
    CHECK(loop.run(bytes) == 0);
    for (size_t i = 0; i < bytes.size(); i += 33) {
      bytes[i] = std::byte{4};
      REQUIRE(loop.run(bytes) != 0);
      bytes[i] = std::byte{0};
    }
  }
}

TEST_CASE("less than a kilobyte a stream is nothing to read") {
  for (const ReadLoop& loop : read_loops()) {
    const std::vector<std::byte> little(loop.streams * 1024 - 1, std::byte{1});
    CHECK(loop.run(little) == 0);
    CHECK(loop.run({}) == 0);
  }
}

}  // namespace
}  // namespace gemma::kernels
