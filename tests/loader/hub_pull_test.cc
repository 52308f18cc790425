#include "loader/hub_pull.h"

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "loader/hub.h"
#include "tests/loader/environment.h"
#include "tests/loader/pull_setting.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;
using tests::kWeightBytes;
using tests::LoopbackHub;
using tests::Pull;
using tests::weights;

TEST_CASE("a pulled model has the layout of the Hugging Face cache, and find_model finds it") {
  Pull pull;

  const Result<PulledModel> pulled = pull.run();

  REQUIRE(pulled);
  CHECK(pulled->commit == pull.hub.commit());
  CHECK(pulled->folder == pull.repository() + "/snapshots/" + pull.hub.commit());
  CHECK(pull.content(pull.repository() + "/refs/main") == pull.hub.commit());
  for (const char* name : {"README.md", "config.json", "tokenizer.json", "model.safetensors"}) {
    CAPTURE(name);
    CHECK(fs::read_symlink(fs::path(pulled->folder) / name) == "../../blobs/" + pull.hub.hash_of(name));
  }
  CHECK(pull.content(pulled->folder + "/model.safetensors") == weights());
  CHECK_FALSE(fs::exists(pulled->folder + "/assets"));
  for (const auto& entry : fs::directory_iterator(pull.repository() + "/blobs")) {
    CHECK(entry.path().extension() == "");
  }
  const tests::Environment environment({{"HF_HUB_CACHE", pull.folder.path("hub")}});
  CHECK(find_model(LoopbackHub::kId) == pulled->folder);
}

TEST_CASE("the report counts files, their bytes and what came over the network") {
  Pull pull;
  const Result<PulledModel> pulled = pull.run();
  REQUIRE(pulled);
  REQUIRE(pulled->files.size() == 4);
  CHECK(pulled->files[0].name == "config.json");  // smallest first
  CHECK(pulled->files[3].name == "model.safetensors");
  CHECK(pulled->files[3].fetched_bytes == kWeightBytes);
  CHECK(pulled->bytes == kWeightBytes + 100'000 + 2 + 23);
  CHECK(pulled->fetched_bytes == pulled->bytes);
}

TEST_CASE("what is already there is not fetched again") {
  Pull pull;
  REQUIRE(pull.run());
  pull.hub.forget_requests();

  const Result<PulledModel> again = pull.run();

  REQUIRE(again);
  CHECK(again->fetched_bytes == 0);
  CHECK(pull.hub.hub_requests().size() == 1);  // the listing
  CHECK(pull.hub.storage_requests().empty());
}

TEST_CASE("a connection lost in mid-file is taken up where it broke, asking only for the rest") {
  Pull pull;
  pull.hub.faults().cut_after["model.safetensors"] = 1'234'567;
  pull.hub.faults().cut_after["README.md"] = 10;

  const Result<PulledModel> pulled = pull.run();

  REQUIRE(pulled);
  CHECK(pulled->fetched_bytes == pulled->bytes);
  const auto requests = pull.hub.requests("model.safetensors");
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].field("range") == "");
  CHECK(requests[1].field("range") == "bytes=1234567-");
  CHECK(requests[1].field("if-range") == "");  // the storage names things otherwise
  REQUIRE(pull.hub.requests("README.md").size() == 2);
  CHECK(pull.hub.requests("README.md")[1].field("range") == "bytes=10-");
  CHECK(pull.hub.requests("README.md")[1].field("if-range") == "\"" + pull.hub.hash_of("README.md") + "\"");
  CHECK(pull.notices.size() == 2);
}

TEST_CASE("a pull that was stopped leaves the part that came, and the next one asks for the rest") {
  Pull pull;
  std::atomic<bool> stop = false;
  pull.options.events.cancelled = [&] { return stop.load(); };
  pull.options.progress = [&](const PullProgress& now) {
    if (now.file == "model.safetensors") stop = true;
  };
  pull.hub.faults().stall_after["model.safetensors"] = 1'000'000;
  const Error error = pull.refusal(ErrorCode::kResource);
  CHECK(error.what == "stopped");
  const uint64_t arrived = fs::file_size(pull.partial("model.safetensors"));
  CHECK(arrived > 0);
  CHECK_FALSE(fs::exists(pull.repository() + "/refs/main"));
  stop = false;
  pull.options.progress = {};
  pull.hub.forget_requests();

  const Result<PulledModel> pulled = pull.run();

  REQUIRE(pulled);
  CHECK(pulled->fetched_bytes == kWeightBytes - arrived);
  CHECK(pull.hub.requests("model.safetensors")[0].field("range") == "bytes=" + std::to_string(arrived) + "-");
  CHECK(pull.content(pulled->folder + "/model.safetensors") == weights());
  CHECK_FALSE(fs::exists(pull.partial("model.safetensors")));
}

TEST_CASE("a whole partial file only needs its name") {
  Pull pull;
  pull.folder.write(
      "hub/models--google--gemma-4-test/blobs/" + pull.hub.hash_of("model.safetensors") + ".incomplete",
      weights());
  REQUIRE(pull.run());
  CHECK(pull.hub.requests("model.safetensors").empty());
  CHECK(pull.content(pull.blob("model.safetensors")) == weights());
}

TEST_CASE("a partial file that is too long starts over") {
  Pull pull;
  pull.folder.write(
      "hub/models--google--gemma-4-test/blobs/" + pull.hub.hash_of("model.safetensors") + ".incomplete",
      weights() + "x");
  REQUIRE(pull.run());
  CHECK(pull.content(pull.blob("model.safetensors")) == weights());
}

TEST_CASE("a server that cannot resume sends everything again") {
  Pull pull;
  pull.hub.faults().cut_after["model.safetensors"] = 5'000;
  pull.hub.faults().no_ranges = true;
  const Result<PulledModel> pulled = pull.run();
  REQUIRE(pulled);
  CHECK(pulled->fetched_bytes == pulled->bytes + 5'000);
  CHECK(pull.content(pull.blob("model.safetensors")) == weights());
}

TEST_CASE("only what is missing has to find room") {
  Pull pull;
  pull.hub.add("model.safetensors", "small", LoopbackHub::kLarge);
  REQUIRE(pull.run());
  pull.hub.add("README.md", "nine more");
  uint64_t free = 8;
  pull.options.free_bytes = [&](const std::string&) -> Result<uint64_t> { return free; };
  pull.refusal(ErrorCode::kResource);
  free = 9;
  CHECK(pull.run());
}

TEST_CASE("a branch that moved brings only the files that changed, and the old commit stays") {
  Pull pull;
  const Result<PulledModel> before = pull.run();
  REQUIRE(before);
  pull.hub.forget_requests();
  pull.hub.move_to(std::string(40, 'b'));
  pull.hub.add("config.json", R"({"new":true})");

  const Result<PulledModel> after = pull.run();

  REQUIRE(after);
  CHECK(after->fetched_bytes == 12);
  CHECK(pull.hub.requests("config.json").size() == 1);
  CHECK(pull.hub.storage_requests().empty());
  CHECK(pull.content(pull.repository() + "/refs/main") == std::string(40, 'b'));
  CHECK(pull.content(after->folder + "/config.json") == R"({"new":true})");
  CHECK(pull.content(after->folder + "/model.safetensors") == weights());
  CHECK(pull.content(before->folder + "/config.json") == "{}");
}

TEST_CASE("a revision has its own ref; a commit has none") {
  Pull pull;
  REQUIRE(pull.run("@refs/pr/7"));
  CHECK(pull.hub.hub_requests()[0].path ==
        "/api/models/google/gemma-4-test/revision/refs%2Fpr%2F7?blobs=true");
  CHECK(pull.content(pull.repository() + "/refs/refs/pr/7") == pull.hub.commit());
  REQUIRE(pull.run("@" + pull.hub.commit()));
  CHECK_FALSE(fs::exists(pull.repository() + "/refs/" + pull.hub.commit()));
}

TEST_CASE("nested files get links that lead up far enough") {
  Pull pull;
  pull.hub.add("a/b/model.gguf", "gguf");
  pull.options.include = {"*.gguf"};
  const Result<PulledModel> pulled = pull.run();
  REQUIRE(pulled);
  CHECK(fs::read_symlink(pulled->folder + "/a/b/model.gguf") ==
        "../../../../blobs/" + pull.hub.hash_of("a/b/model.gguf"));
  CHECK(pull.content(pulled->folder + "/a/b/model.gguf") == "gguf");
  CHECK_FALSE(fs::exists(pulled->folder + "/model.safetensors"));
}

TEST_CASE("two pulls at the same time fetch each file once") {
  Pull pull;
  Result<PulledModel> first = fail(ErrorCode::kInternal, "", ""), second = first;
  PullOptions other = pull.options;
  other.events = {};

  std::thread thread([&] { second = pull_model(LoopbackHub::kId, other); });
  first = pull.run();
  thread.join();

  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->fetched_bytes + second->fetched_bytes == first->bytes);
  CHECK(pull.content(pull.blob("model.safetensors")) == weights());
}

TEST_CASE("progress counts up to the whole") {
  Pull pull;
  uint64_t last = 0, total = 0;
  bool grew = true;
  pull.options.progress = [&](const PullProgress& now) {
    grew = grew && now.bytes > last && now.bytes <= now.total_bytes;
    last = now.bytes;
    total = now.total_bytes;
  };
  const Result<PulledModel> pulled = pull.run();
  REQUIRE(pulled);
  CHECK(grew);
  CHECK(last == pulled->bytes);
  CHECK(total == pulled->bytes);
}

}  // namespace
}  // namespace gemma
