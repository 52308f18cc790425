#include "loader/memory_map.h"

#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <doctest/doctest.h>
#include <sys/resource.h>

#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_CASE("a file is mapped as it is, and read at any place") {
  TemporaryFolder folder;
  Result<MemoryMap> map = MemoryMap::open(folder.write("f", "hello, map"));
  REQUIRE(map);
  CHECK(text(map->bytes()) == "hello, map");
  std::string out(3, '\0');
  REQUIRE(map->file().read_at(7, std::as_writable_bytes(std::span(out))));
  CHECK(out == "map");
}

TEST_CASE("an empty file is an empty map") {
  TemporaryFolder folder;
  Result<MemoryMap> map = MemoryMap::open(folder.write("f", ""));
  REQUIRE(map);
  CHECK(map->bytes().empty());
}

TEST_CASE("a map moves with its bytes") {
  TemporaryFolder folder;
  Result<MemoryMap> first = MemoryMap::open(folder.write("a", "first"));
  Result<MemoryMap> second = MemoryMap::open(folder.write("b", "second"));
  REQUIRE(first);
  REQUIRE(second);
  std::optional<MemoryMap> moved(std::move(*first));
  CHECK(text(moved->bytes()) == "first");
  CHECK(first->bytes().empty());
  *moved = std::move(*second);
  CHECK(text(moved->bytes()) == "second");
  CHECK(moved->file().path() == folder.path("b"));
}

TEST_CASE("the mapping outlives the file's name") {
  TemporaryFolder folder;
  Result<MemoryMap> map = MemoryMap::open(folder.write("f", "still here"));
  REQUIRE(map);
  std::filesystem::remove(folder.path("f"));
  CHECK(text(map->bytes()) == "still here");
}

TEST_CASE("what cannot be opened says why") {
  TemporaryFolder folder;
  folder.write("file", "x");
  CHECK(MemoryMap::open(folder.path("absent")).error().code == ErrorCode::kNotFound);
  CHECK(MemoryMap::open(folder.path("file/below")).error().code == ErrorCode::kNotFound);
  CHECK(MemoryMap::open(folder.path()).error().what == "expected a regular file, found a folder");
  CHECK(MemoryMap::open(folder.path("file") + std::string("\0", 1)).error().what ==
        "a path cannot hold a zero byte");
  std::filesystem::create_symlink("loop", folder.path("loop"));
  CHECK(MemoryMap::open(folder.path("loop")).error().code == ErrorCode::kIo);
}

TEST_CASE("without descriptors left it is an error of resources") {
  TemporaryFolder folder;
  const std::string path = folder.write("f", "x");
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  rlimit none = limit;
  none.rlim_cur = 0;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  Result<MemoryMap> map = MemoryMap::open(path);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  REQUIRE_FALSE(map);
  CHECK(map.error().code == ErrorCode::kResource);
  CHECK(map.error().what == "cannot open: Too many open files");
}

}  // namespace
}  // namespace gemma
