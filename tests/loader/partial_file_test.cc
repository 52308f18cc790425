#include "loader/partial_file.h"

#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "loader/file.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST_CASE("what was there is kept, appended to and published under its final name") {
  TemporaryFolder folder;
  const std::string path = folder.write("x.incomplete", "first ");
  Result<PartialFile> file = PartialFile::open(path);
  REQUIRE(file);
  CHECK(file->bytes() == 6);
  REQUIRE(file->append(bytes("second")));
  CHECK(file->bytes() == 12);

  std::string read;
  REQUIRE(file->read([&](std::span<const std::byte> piece) {
    read.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return true;
  }));
  REQUIRE(file->publish(folder.path("x")));

  CHECK(read == "first second");
  CHECK(read_text(folder.path("x"), 100) == "first second");
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("emptied and begun anew") {
  TemporaryFolder folder;
  Result<PartialFile> file = PartialFile::open(folder.write("x", "old"));
  REQUIRE(file);
  REQUIRE(file->clear());
  REQUIRE(file->append(bytes("new!")));
  CHECK(read_text(folder.path("x"), 100) == "new!");
  file->discard();
  CHECK_FALSE(fs::exists(folder.path("x")));
}

TEST_CASE("a link, a folder and a pipe are no partial file") {
  TemporaryFolder folder;
  const std::string victim = folder.write("victim", "precious");
  fs::create_symlink(victim, folder.path("link"));
  fs::create_directory(folder.path("folder"));
  REQUIRE(::mkfifo(folder.path("pipe").c_str(), 0600) == 0);
  for (const char* name : {"link", "folder", "pipe"}) {
    CAPTURE(name);
    const Result<PartialFile> file = PartialFile::open(folder.path(name));
    REQUIRE_FALSE(file);
    CHECK(file.error().code == ErrorCode::kIo);
  }
  CHECK(read_text(victim, 100) == "precious");
}

TEST_CASE("a folder that is not there") {
  const Result<PartialFile> file = PartialFile::open("/nonexistent/x");
  REQUIRE_FALSE(file);
  CHECK(file.error().what == "cannot open for writing: No such file or directory");
}

}  // namespace
}  // namespace gemma
