// A hub with a model on this machine, a cache of its own, and the options of a pull between them.
#pragma once

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "loader/file.h"
#include "loader/hub_pull.h"
#include "tests/loader/loopback_hub.h"
#include "tests/loader/temporary_folder.h"

namespace gemma::tests {

inline constexpr size_t kWeightBytes = 3 << 20;

// Bytes that repeat only after 2^32: a piece in the wrong place changes the hash.
inline std::string weights(uint32_t seed = 1) {
  std::string content(kWeightBytes, '\0');
  for (char& c : content) {
    seed = seed * 1664525 + 1013904223;
    c = static_cast<char>(seed >> 24);
  }
  return content;
}

// A hub with a model, and a cache of its own.
struct Pull {
  LoopbackHub hub;
  TemporaryFolder folder;
  PullOptions options;
  std::vector<std::string> notices;

  Pull() {
    // A proxy of this machine does not lead to 127.0.0.1.
    ::setenv("no_proxy", "*", 1);
    hub.add("README.md", "---\nlicense: gemma\n---\n");
    hub.add("config.json", "{}");
    hub.add("tokenizer.json", std::string(100'000, 't'), LoopbackHub::kLarge);
    hub.add("model.safetensors", weights(), LoopbackHub::kLarge);
    hub.add("assets/picture.png", "not needed");
    options.settings.endpoint = hub.address();
    options.settings.cache = folder.path("hub");
    options.patience.first_pause = std::chrono::milliseconds(1);
    options.events.notice = [this](std::string_view text) { notices.emplace_back(text); };
  }
  Result<PulledModel> run(const std::string& revision = "") {
    return pull_model(LoopbackHub::kId + revision, options);
  }
  Error refusal(ErrorCode code) {
    Result<PulledModel> pulled = run();
    REQUIRE_FALSE(pulled);
    CAPTURE(pulled.error().message());
    CHECK(pulled.error().code == code);
    return pulled.error();
  }
  std::string repository() const { return folder.path("hub/models--google--gemma-4-test"); }
  std::string blob(const std::string& name) { return repository() + "/blobs/" + hub.hash_of(name); }
  std::string partial(const std::string& name) { return blob(name) + ".incomplete"; }
  std::string content(const std::string& path) const { return read_text(path, 1 << 30).value_or("absent"); }
};

}  // namespace gemma::tests
