// The shipped model is found from the source tree and from an installed one.
#include "tools/shipped_model.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace fs = std::filesystem;

namespace {

// A folder of its own that goes away with the test.
struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("gemma-shipped-model-" + std::to_string(::getpid()));
  TemporaryFolder() { fs::create_directories(path); }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

void touch_model(const fs::path& folder) {
  fs::create_directories(folder);
  std::ofstream(folder / "config.json") << "{}";
}

}  // namespace

TEST_CASE("this test program finds both shipped models in the source tree") {
  const gemma::Result<fs::path> qat = gemma::shipped_model();
  REQUIRE(qat);
  CHECK(fs::equivalent(*qat, fs::path(GEMMA_SOURCE_DIR) / "models" / "stories-qat"));
  CHECK(gemma::shipped_model("stories-full"));
}

TEST_CASE("an installed program finds share/gemma-run/models first") {
  const TemporaryFolder root;
  touch_model(root.path / "models" / "stories-qat");
  touch_model(root.path / "share" / "gemma-run" / "models" / "stories-qat");
  CHECK(gemma::shipped_model("stories-qat", root.path / "bin") ==
        root.path / "share" / "gemma-run" / "models" / "stories-qat");
}

TEST_CASE("a model that did not ship is an error that lists the places and names the option") {
  const TemporaryFolder root;
  const gemma::Result<fs::path> missing = gemma::shipped_model("nothing", root.path / "bin");
  REQUIRE(!missing);
  CHECK(missing.error().code == gemma::ErrorCode::kNotFound);
  CHECK(missing.error().where == "the shipped model nothing");
  CHECK(missing.error().what.find((root.path / "share/gemma-run/models/nothing").string()) !=
        std::string::npos);
  CHECK(missing.error().hint == "give a model with --model");
}
