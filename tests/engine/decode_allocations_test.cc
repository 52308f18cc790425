// A decoded token costs no memory from the heap, on any thread: scratch is planned when a session is made.
#include <atomic>
#include <cstdlib>
#include <new>

#include <doctest/doctest.h>

#include "engine/session.h"

namespace {

std::atomic<size_t> allocations{0};

void* counted(size_t bytes, size_t alignment) {
  ++allocations;
  return alignment <= alignof(std::max_align_t)
             ? std::malloc(bytes)
             : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Of the whole test program. The array forms call these, but for ASan's, which are a world of their own; its
// nothrow forms would be too, and meet our delete. GCC, if it inlines one of new and delete, takes the
// malloc() or free() inside for a mismatch.
[[gnu::noinline]] void* operator new(size_t bytes) {
  return or_throw(counted(bytes, 1));
}
[[gnu::noinline]] void* operator new(size_t bytes, std::align_val_t alignment) {
  return or_throw(counted(bytes, static_cast<size_t>(alignment)));
}
[[gnu::noinline]] void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return counted(bytes, 1);
}
[[gnu::noinline]] void* operator new(size_t bytes, std::align_val_t alignment,
                                     const std::nothrow_t&) noexcept {
  return counted(bytes, static_cast<size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace gemma {
namespace {

TEST_CASE("the counter sees allocations") {
  const size_t before = allocations;
  std::vector<int>* made = new std::vector<int>(10);
  const size_t after = allocations;
  delete made;
  CHECK(after == before + 2);
}

TEST_CASE("a decoded token allocates nothing, in every scheme and with experts") {
  const std::string goldens = std::string(GEMMA_TEST_DATA) + "/goldens/";
  for (const std::string& path :
       {std::string("synthetic:tiny"), goldens + "tiny-moe", goldens + "tiny-dense"}) {
    for (const std::string scheme :
         {"f32", "bf16", "int4", "int8", "int4-channel", "w8a4", "fake:int4", "mobile"}) {
      if (scheme == "mobile" && path != "synthetic:tiny") continue;
      CAPTURE(path);
      CAPTURE(scheme);
      ModelOptions options;
      options.scheme = scheme;
      options.threads = 2;
      options.tokenizer = false;
      const auto model = Model::load(path, options);
      REQUIRE_MESSAGE(model.has_value(), model.error().message());
      auto session = Session::create(**model, {.context = 64, .chunk = 8});
      REQUIRE_MESSAGE(session.has_value(), session.error().message());
      const std::vector<int32_t> prompt = {2, 5, 9, 30, 7};
      REQUIRE(session->prefill(prompt).has_value());
      REQUIRE(session->decode(11).has_value());  // buffers that reading threads keep have their size now
      REQUIRE(session->decode(12).has_value());

      const size_t before = allocations;
      bool decoded = true;
      for (int32_t token = 13; token < 23; ++token) decoded = session->decode(token).has_value() && decoded;
      const size_t after = allocations;
      CHECK(decoded);
      CHECK(after == before);
    }
  }
}

}  // namespace
}  // namespace gemma
