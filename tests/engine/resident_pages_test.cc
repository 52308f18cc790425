// Which pages lie in memory: touched buffers, untouched ones, files; and the system's own sums.
#include "engine/resident_pages.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include "engine/buffer.h"
#include "engine/process_memory.h"

using namespace gemma;

TEST_CASE("the resident set is the sum of its anonymous, file and shared parts, and below its peak") {
  const ProcessMemory memory = process_memory();
  CHECK(memory.resident_bytes > 0);
  CHECK(memory.resident_bytes == memory.anonymous_bytes + memory.file_bytes + memory.shared_bytes);
  CHECK(memory.peak_resident_bytes >= memory.resident_bytes);
  CHECK(memory.virtual_bytes > memory.resident_bytes);
}

TEST_CASE("a reserved buffer has no resident page until it is written, then those that were") {
  Result<Buffer> buffer = Buffer::allocate(size_t{16} << 20, "test");
  REQUIRE(buffer);
  const Result<ResidentPages> before = ResidentPages::read();
  REQUIRE(before);
  CHECK(before->bytes(buffer->data(), buffer->bytes()) == 0);

  const volatile std::byte read_only = buffer->data()[5 << 20];  // the page of zeros is no memory of ours
  static_cast<void>(read_only);
  buffer->data()[0] = std::byte{1};
  const Result<ResidentPages> after = ResidentPages::read();
  REQUIRE(after);
  const uint64_t touched = after->bytes(buffer->data(), buffer->bytes());
  CHECK(touched >= page_bytes());
  CHECK(touched <= (size_t{4} << 20));  // at most two huge pages
  CHECK(after->bytes(buffer->data(), 100) == 100);
  CHECK(touched <= 2 * resident_once_touched(buffer->bytes(), 1));
}

TEST_CASE("all of a written buffer is resident, page ends and odd ranges included") {
  Result<Buffer> buffer = Buffer::allocate((size_t{3} << 20) + 12345, "test");
  REQUIRE(buffer);
  for (size_t i = 0; i < buffer->bytes(); i += 1000) buffer->data()[i] = std::byte{1};
  buffer->data()[buffer->bytes() - 1] = std::byte{1};
  const Result<ResidentPages> pages = ResidentPages::read();
  REQUIRE(pages);
  CHECK(pages->bytes(buffer->data(), buffer->bytes()) == buffer->bytes());
  CHECK(pages->bytes(buffer->data() + 77, 1'000'000) == 1'000'000);
  CHECK(pages->bytes(buffer->data() + 4095, 2) == 2);
}

TEST_CASE("an address is found in its mapping, and one that nobody has in none") {
  const Result<ResidentPages> pages = ResidentPages::read();
  REQUIRE(pages);
  const int on_stack = 0;
  REQUIRE(pages->find(&on_stack) != nullptr);
  const std::string& path = pages->find(&on_stack)->path;
  CHECK((path == "[stack]" || path.empty()));  // some sandboxes' kernels give it no name
  CHECK(pages->find(nullptr) == nullptr);
  CHECK(pages->bytes(uintptr_t{0}, uintptr_t{4096}) == 0);
}

TEST_CASE("address space that is only kept free costs neither time nor memory to look at") {
  constexpr size_t kBytes = size_t{8} << 40;  // its pages' entries would be 16 GB to read
  for (const int access : {PROT_NONE, PROT_READ | PROT_WRITE}) {
    CAPTURE(access);
    void* const kept = ::mmap(nullptr, kBytes, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (kept == MAP_FAILED) continue;  // a system that allows no overcommitment
    const uint64_t peak = process_memory().peak_resident_bytes;
    const Result<ResidentPages> pages = ResidentPages::read();
    REQUIRE(pages);
    REQUIRE(pages->find(kept) != nullptr);
    CHECK(pages->find(kept)->is_reservation);
    CHECK(pages->bytes(kept, kBytes) == 0);
    CHECK(process_memory().peak_resident_bytes - peak <
          (size_t{64} << 20));  // a bit per page would be 268 MB
    ::munmap(kept, kBytes);
  }
}

TEST_CASE(
    "what a buffer takes once touched: all of a small one, whole pages of a large one, never more than it "
    "has") {
  CHECK(resident_once_touched(100'000, 0) == 100'000);
  CHECK(resident_once_touched(kMappedBufferBytes, 0) == 0);
  const uint64_t one = resident_once_touched(uint64_t{64} << 20, 1);
  CHECK((one == 4096 || one == (uint64_t{2} << 20)));  // without and with huge pages
  CHECK(resident_once_touched(uint64_t{5} << 20, uint64_t{5} << 20) == (uint64_t{5} << 20));
  CHECK(resident_once_touched(uint64_t{5} << 20, (uint64_t{4} << 20) + 1) == (uint64_t{4} << 20) + 4096);
}
