// `gemma-run pull` as a user runs it, against a hub on this machine.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "program.h"
#include "tests/loader/loopback_hub.h"

using gemma::tests::contains;
using gemma::tests::gemma_run;
using gemma::tests::LoopbackHub;
using gemma::tests::Outcome;
using gemma::tests::read_file;
using gemma::tests::run_program;
using gemma::tests::Surroundings;
using gemma::tests::TemporaryFolder;

namespace fs = std::filesystem;

namespace {

// A hub that has the shipped model under an id of its own, and a user who has nothing yet.
struct Setting {
  LoopbackHub hub;
  TemporaryFolder home;
  Surroundings around;

  Setting() {
    const fs::path model = fs::path(GEMMA_SOURCE_DIR) / "models" / "stories-qat";
    for (const char* name : {"config.json", "generation_config.json", "README.md"}) {
      hub.add(name, read_file((model / name).string()));
    }
    for (const char* name : {"tokenizer.json", "model.safetensors"}) {
      hub.add(name, read_file((model / name).string()), LoopbackHub::kLarge);
    }
    around.environment = {"HF_ENDPOINT=" + hub.address(),
                          "HF_HOME=" + home.file(""),
                          "HF_HUB_CACHE=",
                          "HF_TOKEN=",
                          "HF_TOKEN_PATH=",
                          "HF_HUB_OFFLINE=",
                          "no_proxy=*"};
  }
  Outcome pull(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {GEMMA_RUN, "pull", LoopbackHub::kId});
    return run_program(more, around);
  }
  Outcome shell(const std::string& script) const {
    return run_program({"/bin/sh", "-c", script, "sh", GEMMA_RUN, LoopbackHub::kId}, around);
  }
  std::string repository() const { return home.file("hub/models--google--gemma-4-test"); }
  std::string snapshot() const { return repository() + "/snapshots/" + hub.commit(); }
  std::string partial() {
    return repository() + "/blobs/" + hub.hash_of("model.safetensors") + ".incomplete";
  }
};

}  // namespace

TEST_CASE("a pulled model answers by its id") {
  const Setting setting;

  const Outcome pulled = setting.pull();

  CHECK(pulled.exit_code == 0);
  CHECK(pulled.text == setting.snapshot() + "\n");
  CHECK(pulled.messages == "");  // no bar where nobody looks
  const Outcome answer =
      gemma_run({"-m", LoopbackHub::kId, "-p", "Tell me a story.", "-n", "5", "--greedy"}, setting.around);
  CHECK(answer.exit_code == 0);
  CHECK(answer.text != "");
}

TEST_CASE("--json reports folder, commit, files, bytes and seconds") {
  const Setting setting;
  const Outcome pulled = setting.pull({"--json"});
  REQUIRE(pulled.exit_code == 0);
  const auto report = nlohmann::json::parse(pulled.text);
  CHECK(report["schema"] == 1);
  CHECK(report["model"] == LoopbackHub::kId);
  CHECK(report["folder"] == setting.snapshot());
  CHECK(report["commit"] == setting.hub.commit());
  REQUIRE(report["files"].size() == 5);
  CHECK(report["files"][4]["name"] == "model.safetensors");
  CHECK(report["files"][4]["bytes"] == report["files"][4]["fetched_bytes"]);
  CHECK(report["bytes"] == report["fetched_bytes"]);
  CHECK(report["seconds"].get<double>() > 0);
}

TEST_CASE("an unknown model's hint is the pull that fetches it") {
  const Setting setting;
  const Outcome before = gemma_run({"-m", LoopbackHub::kId, "-p", "hi"}, setting.around);
  CHECK(before.exit_code == 3);
  CHECK(contains(before.messages, std::string("(gemma-run pull ") + LoopbackHub::kId + ")"));
}

TEST_CASE("Ctrl-C ends a pull, which goes on from there the next time") {
  Setting setting;
  setting.hub.faults().stall_after["model.safetensors"] = 100'000;

  const Outcome stopped = setting.shell("\"$1\" pull \"$2\" & while ! [ -s \"" + setting.partial() +
                                        "\" ]; do sleep 0.02; done; kill -INT $!; wait $!");

  CHECK(stopped.exit_code == 130);
  CHECK(contains(stopped.messages, "stopped; the same command goes on from here\n"));
  const uint64_t arrived = fs::file_size(setting.partial());
  CHECK(setting.pull().exit_code == 0);
  CHECK(setting.hub.requests("model.safetensors").back().field("range") ==
        "bytes=" + std::to_string(arrived) + "-");
}

TEST_CASE("killed in mid-file, a pull goes on from there as well") {
  Setting setting;
  setting.hub.faults().stall_after["model.safetensors"] = 100'000;
  const Outcome killed = setting.shell("\"$1\" pull \"$2\" & while ! [ -s \"" + setting.partial() +
                                       "\" ]; do sleep 0.02; done; kill -KILL $!; wait $!");
  CHECK(killed.exit_code == 137);
  CHECK_FALSE(fs::exists(setting.repository() + "/refs/main"));
  CHECK(setting.pull().exit_code == 0);
  CHECK(setting.hub.requests("model.safetensors").back().field("range") != "");
}

TEST_CASE("a full disk is exit code 4, and what came stays") {
  Setting setting;
  // In blocks of 512 bytes.
  const Outcome full = setting.shell("ulimit -f 2000; exec \"$1\" pull \"$2\"");
  CHECK(full.exit_code == 4);
  CHECK(contains(full.messages, "cannot write: File too large (raise `ulimit -f`"));
  CHECK(fs::file_size(setting.partial()) == 2000 * 512);
}

TEST_CASE("401, 404 and a wrong hash are exit code 3") {
  Setting setting;
  setting.hub.faults().wants_token = "hf_secret";
  const Outcome stranger = setting.pull();
  CHECK(stranger.exit_code == 3);
  CHECK(contains(stranger.messages, setting.hub.address() + "/google/gemma-4-test, then set HF_TOKEN"));

  setting.around.environment.insert(setting.around.environment.begin(), "HF_TOKEN=hf_secret");
  setting.hub.faults().instead["config.json"] = "{}";
  const Outcome wrong = setting.pull();
  CHECK(wrong.exit_code == 3);
  CHECK(contains(wrong.messages, "config.json: expected "));

  const Outcome absent = run_program({GEMMA_RUN, "pull", "google/other@v2"}, setting.around);
  CHECK(absent.exit_code == 3);
  CHECK(contains(absent.messages, "google/other: the hub has no such model or no revision v2 of it"));
  CHECK_FALSE(fs::exists(setting.home.file("hub/models--google--other")));
}

TEST_CASE("the token file of the Hugging Face home is read") {
  Setting setting;
  setting.hub.faults().wants_token = "hf_from_file";
  gemma::tests::write_file(setting.home.file("token"), "hf_from_file\n");
  CHECK(setting.pull().exit_code == 0);
}

TEST_CASE("what is asked wrongly is exit code 2") {
  Setting setting;
  CHECK(run_program({GEMMA_RUN, "pull"}, setting.around).exit_code == 2);
  CHECK(run_program({GEMMA_RUN, "pull", "./folder"}, setting.around).exit_code == 2);
  CHECK(setting.pull({"--includ", "x"}).exit_code == 2);
  setting.around.environment.insert(setting.around.environment.begin(), "HF_HUB_OFFLINE=1");
  const Outcome offline = setting.pull();
  CHECK(offline.exit_code == 2);
  CHECK(contains(offline.messages, "HF_HUB_OFFLINE is set"));
  CHECK(setting.hub.hub_requests().empty());
}
