#include "loader/file_lock.h"

#include <filesystem>
#include <optional>

#include <doctest/doctest.h>

#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

constexpr std::chrono::milliseconds kPause{1};

TEST_CASE("a lock that is held is waited for, and free when its holder is gone") {
  TemporaryFolder folder;
  const std::string path = folder.path("x.lock");
  std::optional<Result<FileLock>> holder = FileLock::take(
      path, [] { return false; }, kPause);
  REQUIRE(*holder);
  int asked = 0;

  const Result<FileLock> second = FileLock::take(
      path,
      [&] {
        if (++asked == 3) holder.reset();
        return true;
      },
      kPause);

  CHECK(second);
  CHECK(asked == 3);
}

TEST_CASE("a wait can be ended") {
  TemporaryFolder folder;
  const Result<FileLock> holder = FileLock::take(
      folder.path("x.lock"), [] { return false; }, kPause);
  REQUIRE(holder);
  const Result<FileLock> second = FileLock::take(
      folder.path("x.lock"), [] { return false; }, kPause);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kResource);
}

TEST_CASE("a lock file that its holder deleted locks nobody out and nobody in") {
  TemporaryFolder folder;
  const std::string path = folder.path("x.lock");
  std::optional<Result<FileLock>> holder = FileLock::take(
      path, [] { return false; }, kPause);

  const Result<FileLock> second = FileLock::take(
      path,
      [&] {
        std::filesystem::remove(path);
        holder.reset();
        return true;
      },
      kPause);

  REQUIRE(second);
  // It holds the file that is there, not the one that is gone.
  CHECK_FALSE(FileLock::take(
      path, [] { return false; }, kPause));
}

TEST_CASE("without its folder there is no lock") {
  CHECK_FALSE(FileLock::take(
      "/nonexistent/x.lock", [] { return true; }, kPause));
}

}  // namespace
}  // namespace gemma
