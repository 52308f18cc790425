// What a pull makes of a hub, a network or a disk that fails it.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <sys/resource.h>

#include "loader/hub_pull.h"
#include "tests/loader/pull_setting.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;
using tests::LoopbackHub;
using tests::Pull;
using tests::weights;

TEST_CASE("content with another hash is deleted, and the message has both hashes") {
  Pull pull;
  const std::string other = weights(2);
  pull.hub.faults().instead["model.safetensors"] = other;

  const Error error = pull.refusal(ErrorCode::kInvalidFile);

  CHECK(error.where == "google/gemma-4-test: model.safetensors");
  CHECK(error.what == "expected SHA-256 " + pull.hub.hash_of("model.safetensors") + ", found " +
                          LoopbackHub::hash(other, true) + "; what had arrived is deleted");
  CHECK_FALSE(fs::exists(pull.blob("model.safetensors")));
  CHECK_FALSE(fs::exists(pull.partial("model.safetensors")));
}

TEST_CASE("a small file is checked by git's hash") {
  Pull pull;
  pull.hub.faults().instead["config.json"] = "[]";
  CHECK(pull.refusal(ErrorCode::kInvalidFile).what ==
        "expected git's SHA-1 " + pull.hub.hash_of("config.json") + ", found " +
            LoopbackHub::hash("[]", false) + "; what had arrived is deleted");
}

TEST_CASE("a spoilt part of an earlier run is found out and deleted") {
  Pull pull;
  std::string spoilt = weights().substr(0, 70'000);
  spoilt[69'999] ^= 1;
  pull.folder.write(
      "hub/models--google--gemma-4-test/blobs/" + pull.hub.hash_of("model.safetensors") + ".incomplete",
      spoilt);
  CHECK(pull.refusal(ErrorCode::kInvalidFile).what.starts_with("expected SHA-256 "));
  CHECK_FALSE(fs::exists(pull.partial("model.safetensors")));
  CHECK(pull.run());
}

TEST_CASE("a file of another size is refused before it is written, a longer body in the middle") {
  Pull pull;
  pull.hub.faults().instead["model.safetensors"] = weights() + "x";
  CHECK(pull.refusal(ErrorCode::kInvalidFile).what == "expected 3145728 bytes, the server offers 3145729");
}

TEST_CASE("the hub's own name for the content has to be the listed one") {
  Pull pull;
  const std::string other(64, 'a');
  pull.hub.faults().other_etag["model.safetensors"] = other;
  CHECK(pull.refusal(ErrorCode::kMismatch).what ==
        "expected the content " + pull.hub.hash_of("model.safetensors") + ", the hub offers " + other);
}

TEST_CASE("401 without a token names HF_TOKEN and the model's page") {
  Pull pull;
  pull.hub.faults().wants_token = "hf_secret";
  const Error error = pull.refusal(ErrorCode::kIo);
  CHECK(error.where == "google/gemma-4-test");
  CHECK(error.what.starts_with("the hub wants to know who asks (401)"));
  CHECK(error.hint ==
        "check the name and agree to its terms on " + pull.hub.address() +
            "/google/gemma-4-test, then set HF_TOKEN to a token of yours (Settings, Access Tokens)");
}

TEST_CASE("a refused token is told apart, and never shown") {
  Pull pull;
  pull.hub.faults().wants_token = "hf_secret";
  pull.options.settings.token = "hf_wrong";
  const Error error = pull.refusal(ErrorCode::kIo);
  CHECK(error.what == "the hub refused the token (401): it is not valid, or the model does not exist");
  CHECK(error.message().find("hf_wrong") == std::string::npos);
}

TEST_CASE("403 asks to agree to the model's terms") {
  Pull pull;
  pull.options.settings.token = "hf_x";
  pull.hub.faults().error["model.safetensors"] = "403 Forbidden\r\nX-Error-Code: GatedRepo";
  const Error error = pull.refusal(ErrorCode::kIo);
  CHECK(error.what.starts_with("the hub refused access (403)"));
  CHECK(error.hint.starts_with("agree to its terms on " + pull.hub.address() + "/google/gemma-4-test;"));
}

TEST_CASE("what the storage refuses is not laid at the user's door") {
  Pull pull;
  pull.hub.faults().storage_error["model.safetensors"] = "403 Forbidden";
  CHECK(pull.refusal(ErrorCode::kIo).what == "the storage \"127.0.0.1\" answered 403 (5 tries)");
  pull.hub.faults().storage_error["model.safetensors"] = "401 Unauthorized";
  CHECK(pull.refusal(ErrorCode::kIo).what == "the storage \"127.0.0.1\" answered 401");
}

TEST_CASE("404 tells a model, a revision and a file apart") {
  Pull pull;
  pull.hub.faults().error["config.json"] = "404 Not Found\r\nX-Error-Code: EntryNotFound";
  const Error file = pull.refusal(ErrorCode::kNotFound);
  CHECK(file.where == "google/gemma-4-test: config.json");
  CHECK(file.what == "the hub has no such file in revision main");

  pull.hub.faults().listing_error = "404 Not Found\r\nX-Error-Code: RevisionNotFound";
  CHECK(pull.run("@v9").error().what == "the hub has no revision v9 of this model");

  pull.hub.faults().listing_error = "404 Not Found\r\nX-Error-Code: RepoNotFound";
  const Error model = pull.refusal(ErrorCode::kNotFound);
  CHECK(model.what == "the hub has no such model or no revision main of it");
  CHECK(model.hint == "check the name: " + pull.hub.address() + "/google/gemma-4-test");
}

TEST_CASE("the token goes to the hub and to nobody it redirects to") {
  Pull pull;
  pull.options.settings.token = "hf_secret";
  pull.hub.faults().wants_token = "hf_secret";
  REQUIRE(pull.run());
  REQUIRE(pull.hub.storage_requests().size() == 2);
  for (const auto& request : pull.hub.storage_requests()) {
    CHECK(request.field("authorization") == "");
    CHECK(request.field("accept-encoding") == "identity");
  }
  for (const auto& request : pull.hub.hub_requests()) {
    CHECK(request.field("authorization") == "Bearer hf_secret");
  }
}

TEST_CASE("redirects lead only to http and https, and not round in circles") {
  Pull pull;
  pull.hub.faults().location["config.json"] = "file:///etc/passwd";
  CHECK(pull.refusal(ErrorCode::kIo).what ==
        "expected a redirect to an http or https address, found \"file:///etc/passwd\"");
  pull.hub.faults().location["config.json"] =
      "/google/gemma-4-test/resolve/" + pull.hub.commit() + "/config.json";
  CHECK(pull.refusal(ErrorCode::kIo).what == "more than 10 redirects");
}

TEST_CASE("what fails for a while is tried again, but not for ever") {
  Pull pull;
  pull.hub.faults().fail_times["config.json"] = 4;
  REQUIRE(pull.run());
  CHECK(pull.notices.size() == 4);
  CHECK(pull.notices[0].starts_with("the hub answered 503; trying again in "));

  Pull other;
  other.hub.faults().fail_times["config.json"] = 5;
  const Error error = other.refusal(ErrorCode::kIo);
  CHECK(error.what == "the hub answered 503 (5 tries)");
}

TEST_CASE("what fails for good is not tried again") {
  Pull pull;
  pull.hub.faults().error["config.json"] = "410 Gone\r\nX-Error-Message: moved \x1b[2Jaway";
  CHECK(pull.refusal(ErrorCode::kIo).what == "the hub answered 410: \"moved \\x1b[2Jaway\"");
  CHECK(pull.notices.empty());
}

TEST_CASE("a server that stalls is given up on, and what came before is kept") {
  Pull pull;
  pull.options.patience.stall = std::chrono::seconds(1);
  pull.hub.faults().stall_after["model.safetensors"] = 50'000;
  REQUIRE(pull.run());
  // On a busy machine this hub itself may stall once more: two requests or more.
  REQUIRE(pull.hub.requests("model.safetensors").size() >= 2);
  CHECK(pull.hub.requests("model.safetensors")[1].field("range") == "bytes=50000-");
  CHECK(pull.content(pull.blob("model.safetensors")) == weights());
}

TEST_CASE("a hub that is not there is said so after some tries") {
  Pull pull;
  pull.options.settings.endpoint = "http://127.0.0.1:1";
  pull.options.patience.attempts = 2;
  const Error error = pull.refusal(ErrorCode::kIo);
  CHECK(error.where == "google/gemma-4-test");
  CHECK(error.what.starts_with("the connection failed: "));
  CHECK(error.what.ends_with(" (2 tries)"));
}

TEST_CASE("a disk without room is found out before anything is fetched") {
  Pull pull;
  pull.options.free_bytes = [](const std::string&) -> Result<uint64_t> { return 1'000'000; };
  const Error error = pull.refusal(ErrorCode::kResource);
  CHECK(error.what == "3.2 MB have to be fetched, and " + pull.folder.path("hub") + " has room for 1.0 MB");
  CHECK(pull.hub.hub_requests().size() == 1);
}

TEST_CASE("a disk that fills up while writing is told, and the part that came stays") {
  Pull pull;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1'000'000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);

  const Result<PulledModel> pulled = pull.run();

  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  REQUIRE_FALSE(pulled);
  CHECK(pulled.error().code == ErrorCode::kResource);
  CHECK(pulled.error().what == "cannot write: File too large");
  CHECK(fs::file_size(pull.partial("model.safetensors")) == 1'000'000);
  CHECK(pull.run());
}

TEST_CASE("a branch moves only once all of its files are here") {
  Pull pull;
  REQUIRE(pull.run());
  const std::string before = pull.hub.commit();
  pull.hub.move_to(std::string(40, 'b'));
  pull.hub.add("model.safetensors", weights(3), LoopbackHub::kLarge);
  pull.hub.faults().instead["model.safetensors"] = weights(4);
  pull.refusal(ErrorCode::kInvalidFile);
  CHECK(pull.content(pull.repository() + "/refs/main") == before);
}

TEST_CASE("names that could leave the cache are refused, and nothing is written") {
  Pull pull;
  pull.hub.faults().listing =
      R"({"sha":")" + pull.hub.commit() +
      R"(","siblings":[{"rfilename":"../../../escaped.safetensors","size":1,"blobId":")" +
      std::string(40, '1') + R"("}]})";
  CHECK(pull.refusal(ErrorCode::kInvalidFile).what ==
        "siblings[0].rfilename: expected a plain relative path, found \"../../../escaped.safetensors\"");
  CHECK_FALSE(fs::exists(pull.folder.path("hub")));
}

TEST_CASE("a listing that does not end is not read to its end") {
  Pull pull;
  pull.hub.faults().listing = std::string((32 << 20) + 1, ' ');
  CHECK(pull.refusal(ErrorCode::kInvalidFile).what ==
        "expected at most 33554432 bytes, the server sends more");
}

TEST_CASE("what is no hub id, and a user who wants no network") {
  Pull pull;
  const Result<PulledModel> folder = pull_model("./folder", pull.options);
  REQUIRE_FALSE(folder);
  CHECK(folder.error().code == ErrorCode::kUsage);
  CHECK(folder.error().what == "expected owner/name or owner/name@revision");
  pull.options.settings.offline = true;
  CHECK(pull.refusal(ErrorCode::kUsage).what == "HF_HUB_OFFLINE is set: the hub is not asked");
  CHECK(pull.hub.hub_requests().empty());
}

}  // namespace
}  // namespace gemma
