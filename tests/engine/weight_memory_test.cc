#include "engine/weight_memory.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include <doctest/doctest.h>

namespace gemma {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kBytes = size_t{8} << 20;

uintptr_t address(const Buffer& buffer) {
  return reinterpret_cast<uintptr_t>(buffer.data());
}

TEST_CASE("blocks of weights lie one behind the other from a huge page on, and share no page") {
  Result<WeightMemory> memory = WeightMemory::reserve(WeightMemory::room_for(kBytes, 3));
  REQUIRE(memory);
  const auto first = memory->take(5 * kPage + 1, "first");
  const auto second = memory->take(100, "second");
  const auto third = memory->take(kBytes - 5 * kPage - 101, "third");
  REQUIRE((first && second && third));
  CHECK(address(**first) % (size_t{2} << 20) == 0);
  CHECK(address(**second) == address(**first) + 6 * kPage);
  CHECK(address(**third) == address(**second) + kPage);
  CHECK((*first)->bytes() == 5 * kPage + 1);
}

TEST_CASE("what does not fit into the reserved stretch gets a buffer of its own") {
  Result<WeightMemory> memory = WeightMemory::reserve(kBytes);
  REQUIRE(memory);
  const auto inside = memory->take(kPage, "inside");
  const auto outside = memory->take(2 * kBytes, "outside");
  REQUIRE((inside && outside));
  std::memset((*outside)->data(), 1, (*outside)->bytes());
  CHECK((*inside)->data()[0] == std::byte{0});
}

TEST_CASE("a block outlives the memory it was taken from, and trimming takes nothing of it") {
  std::shared_ptr<Buffer> block;
  {
    Result<WeightMemory> memory = WeightMemory::reserve(4 * kBytes);
    REQUIRE(memory);
    auto taken = memory->take(kBytes, "block");
    REQUIRE(taken);
    block = *taken;
    memory->trim();
  }
  std::memset(block->data(), 7, block->bytes());
  CHECK(block->data()[kBytes - 1] == std::byte{7});
}

TEST_CASE("a part of a buffer moves like any other and keeps the whole alive") {
  Result<Buffer> allocated = Buffer::allocate(kBytes, "whole");
  REQUIRE(allocated);
  auto whole = std::make_shared<Buffer>(std::move(*allocated));
  const std::weak_ptr<Buffer> watched = whole;
  Buffer part = Buffer::part_of(whole, kPage, 10);
  CHECK(part.data() == whole->data() + kPage);
  whole = nullptr;
  {
    Buffer moved = std::move(part);
    CHECK_FALSE(watched.expired());
    moved.data()[9] = std::byte{1};
  }
  CHECK(watched.expired());
}

TEST_CASE("a shrunk buffer keeps its first pages") {
  Result<Buffer> buffer = Buffer::allocate(2 * kBytes, "large");
  REQUIRE(buffer);
  std::memset(buffer->data(), 3, buffer->bytes());
  buffer->shrink(kBytes + 1);
  CHECK(buffer->bytes() == kBytes + kPage);
  CHECK(buffer->data()[kBytes] == std::byte{3});
}

}  // namespace
}  // namespace gemma
