#include "loader/replace_file.h"

#include <filesystem>

#include <doctest/doctest.h>

#include "loader/file.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

TEST_CASE("a file is replaced whole and nothing is left beside it") {
  const TemporaryFolder folder;
  const std::string path = folder.write("state.json", "what was there before, and is longer");
  REQUIRE(replace_file(path, "new").has_value());
  CHECK(read_text(path, 100).value() == "new");
  CHECK(!std::filesystem::exists(path + ".partial"));
}

TEST_CASE("a path that cannot be written is an error that names it and leaves no trace") {
  const TemporaryFolder folder;
  const std::string path = folder.path("missing/state.json");
  const auto written = replace_file(path, "x");
  REQUIRE(!written.has_value());
  CHECK(written.error().where == path);
  CHECK(written.error().code == ErrorCode::kIo);
  const std::string taken = folder.path("taken");
  std::filesystem::create_directories(taken + "/inside");
  CHECK(!replace_file(taken, "x").has_value());
  CHECK(!std::filesystem::exists(taken + ".partial"));
}

}  // namespace
}  // namespace gemma
