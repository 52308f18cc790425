#include "loader/hub.h"

#include <map>
#include <string>

#include <doctest/doctest.h>

#include "tests/loader/environment.h"
#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

using tests::Environment;

constexpr char kCommit[] = "0123456789abcdef0123456789abcdef01234567";

// A cache below `root` that holds google/gemma-4-E2B-it.
std::string write_cache(const TemporaryFolder& folder, const std::string& root) {
  const std::string repository = root + "/models--google--gemma-4-E2B-it";
  folder.write(repository + "/refs/main", std::string(kCommit) + "\n");
  folder.write(repository + "/snapshots/" + kCommit + "/config.json", "{}");
  return folder.path(repository + "/snapshots/" + kCommit);
}

Error refusal(const std::string& model, ErrorCode code = ErrorCode::kNotFound) {
  Result<std::string> found = find_model(model);
  REQUIRE_FALSE(found);
  CHECK(found.error().code == code);
  return found.error();
}

TEST_CASE("a folder with a config.json is taken as it is") {
  TemporaryFolder folder;
  folder.write("config.json", "{}");
  CHECK(find_model(folder.path()) == folder.path());
}

TEST_CASE("a folder without config.json says what a model folder holds") {
  TemporaryFolder folder;
  const Error error = refusal(folder.path());
  CHECK(error.what == "the folder holds no config.json");
  CHECK(error.hint.starts_with("a model folder holds config.json, model.safetensors"));
}

TEST_CASE("each variable points to the cache, the first one set wins") {
  TemporaryFolder folder;
  const std::string hub_cache = write_cache(folder, "a"), hf_home = write_cache(folder, "b/hub"),
                    xdg = write_cache(folder, "c/huggingface/hub"),
                    home = write_cache(folder, "d/.cache/huggingface/hub");
  std::map<std::string, std::string> set = {{"HF_HUB_CACHE", folder.path("a")},
                                            {"HF_HOME", folder.path("b")},
                                            {"XDG_CACHE_HOME", folder.path("c")},
                                            {"HOME", folder.path("d")}};
  for (const auto& variable : {std::pair("HF_HUB_CACHE", hub_cache), std::pair("HF_HOME", hf_home),
                               std::pair("XDG_CACHE_HOME", xdg), std::pair("HOME", home)}) {
    CAPTURE(variable.first);
    const Environment environment(set);
    CHECK(find_model("google/gemma-4-E2B-it") == variable.second);
    set[variable.first] = "";  // empty counts as unset
  }
}

TEST_CASE("a variable may begin with ~/") {
  TemporaryFolder folder;
  const std::string snapshot = write_cache(folder, "elsewhere/hub");
  const Environment environment({{"HF_HOME", "~/elsewhere"}, {"HOME", folder.path()}});
  CHECK(find_model("google/gemma-4-E2B-it") == snapshot);
}

TEST_CASE("a revision is a branch, a tag, a pull request or a commit") {
  TemporaryFolder folder;
  const std::string main = write_cache(folder, "hub");
  const std::string repository = "hub/models--google--gemma-4-E2B-it";
  folder.write(repository + "/refs/refs/pr/7", "abc123");
  folder.write(repository + "/snapshots/abc123/config.json", "{}");
  const Environment environment({{"HF_HUB_CACHE", folder.path("hub")}});
  const std::string other = folder.path(repository + "/snapshots/abc123");
  CHECK(find_model("google/gemma-4-E2B-it@main") == main);
  CHECK(find_model("google/gemma-4-E2B-it@refs/pr/7") == other);
  CHECK(find_model("google/gemma-4-E2B-it@abc123") == other);
  const Error error = refusal("google/gemma-4-E2B-it@v2");
  CHECK(error.what == "revision v2 is not in the cache");
  CHECK(error.hint == "gemma-run pull google/gemma-4-E2B-it@v2");
}

TEST_CASE("a model that is not in the cache: the hint is the command that fetches it") {
  TemporaryFolder folder;
  const Environment environment({{"HF_HUB_CACHE", folder.path("hub")}});
  const Error error = refusal("google/gemma-4-E2B-it");
  CHECK(error.where == "google/gemma-4-E2B-it");
  CHECK(error.what == "not in the cache " + folder.path("hub"));
  CHECK(error.hint == "gemma-run pull google/gemma-4-E2B-it");
}

TEST_CASE("a download that broke off") {
  TemporaryFolder folder;
  const std::string snapshot = write_cache(folder, "hub");
  std::filesystem::remove(
      folder.path("hub/models--google--gemma-4-E2B-it/snapshots/" + std::string(kCommit) + "/config.json"));
  const Environment environment({{"HF_HUB_CACHE", folder.path("hub")}});
  const Error error = refusal("google/gemma-4-E2B-it");
  CHECK(error.what.starts_with("the download is incomplete: no config.json in "));
  CHECK(error.hint == "gemma-run pull google/gemma-4-E2B-it");
}

TEST_CASE("a ref that holds no commit cannot lead elsewhere") {
  TemporaryFolder folder;
  write_cache(folder, "hub");
  const Environment environment({{"HF_HUB_CACHE", folder.path("hub")}});
  for (const char* content : {"../../../../etc", "", "zzz", "/etc"}) {
    CAPTURE(content);
    folder.write("hub/models--google--gemma-4-E2B-it/refs/main", content);
    CHECK(refusal("google/gemma-4-E2B-it", ErrorCode::kInvalidFile).what ==
          "expected a commit hash, found \"" + std::string(content) + "\"");
  }
}

TEST_CASE("without HOME there is no cache") {
  const Environment environment({});
  const Error error = refusal("google/gemma-4-E2B-it");
  CHECK(error.what == "there is no cache to look in: HOME is not set");
  CHECK(error.hint == "set HF_HOME, or give the model's folder");
}

TEST_CASE("what is neither a folder nor an id") {
  TemporaryFolder folder;
  write_cache(folder, "hub");
  const Environment environment({{"HF_HUB_CACHE", folder.path("hub")}});
  for (const char* model : {"gemma", "./absent", "/absent/model", "a/b/c", "../x", "google/..", "-x/y",
                            "google/-x", "google/.x", "goo gle/x", "google/x--y", "google/", "/x",
                            "google/x@", "google/x@../y", "google/x@-f", "google/x@a//b"}) {
    CAPTURE(model);
    const Error error = refusal(model);
    CHECK(error.where == "\"" + std::string(model) + "\"");
    CHECK(error.what == "no such folder, and no hub id (owner/name or owner/name@revision)");
  }
  CHECK(refusal(std::string(97, 'a') + "/b").what.starts_with("no such folder"));
}

TEST_CASE("a .gguf file is a model, and so is a folder that holds one and no safetensors") {
  TemporaryFolder folder;
  const std::string path = folder.write("model.gguf", "x");
  CHECK(*find_model(path) == path);
  CHECK(*find_model(folder.path()) == path);
  folder.write("config.json", "{}");
  CHECK(*find_model(folder.path()) == path);
  folder.write("model.safetensors", "x");
  CHECK(*find_model(folder.path()) == folder.path());
}

TEST_CASE("another file is not a model, and nothing is not one either") {
  TemporaryFolder folder;
  CHECK(refusal(folder.write("model.bin", "x"), ErrorCode::kUsage).what ==
        "expected a model's folder or a .gguf file, found another file");
  CHECK(refusal("", ErrorCode::kUsage).what == "no model named");
}

}  // namespace
}  // namespace gemma
