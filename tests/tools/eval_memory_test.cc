// gemma-eval memory as a whole program: nothing is left unaccounted, forecasts hold, limits set the exit
// code.
#include "tools/eval_memory.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "program.h"

using gemma::tests::contains;
using gemma::tests::Outcome;
using gemma::tests::run_program;
using nlohmann::json;

namespace {

Outcome memory(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {GEMMA_EVAL, "memory", "--threads", "2"});
  return run_program(arguments);
}

json document_of(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Outcome run = memory(std::move(arguments));
  REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
  return json::parse(run.text);
}

const std::string kModels = std::string(GEMMA_SOURCE_DIR) + "/models/";
const std::vector<std::vector<std::string>> kCases = {
    {"--model", kModels + "stories-qat"},
    {"--model", kModels + "stories-full"},
    {"--model", kModels + "stories-full", "--scheme", "f32"},
    {"--model", "synthetic:tiny", "--scheme", "f32"},
    {"--model", "synthetic:tiny", "--scheme", "int8", "--prompt-tokens", "300"},
};

}  // namespace

TEST_CASE("no more than 1 % or 2 MB of the resident set is unaccounted for") {
  for (const std::vector<std::string>& arguments : kCases) {
    CAPTURE(arguments[1]);
    const json found = document_of(arguments);
    if (!found["heap_is_open"]) return;  // a build with a sanitizer: another allocator, and shadow memory
    const int64_t unaccounted = found["unaccounted_bytes"];
    CHECK(std::abs(unaccounted) <= found["unaccounted_limit_bytes"].get<int64_t>());
    int64_t sum = 0;
    for (const auto& [name, part] : found["parts"].items()) sum += part["resident_bytes"].get<int64_t>();
    CHECK(sum == found["accounted_bytes"]);
    CHECK(sum + unaccounted == found["process"]["resident_bytes"]);
    for (const char* part : {"weights", "kv_sliding", "kv_full", "activations", "scratch", "logits",
                             "tokenizer", "objects", "allocator", "code", "stacks"}) {
      CAPTURE(part);
      CHECK(found["parts"][part]["resident_bytes"] > 0);
    }
  }
}

TEST_CASE("a scheme with static scales is forecast, and no page that reading the tokenizer left free") {
  const json told =
      document_of({"--model", "synthetic:e2b", "--scheme", "mobile", "--forecast", "--tokens", "40"});
  uint64_t free_heap = 0;
  for (const json& line : told["lines"]) {
    if (line["part"] == "allocator") free_heap += line["resident_bytes"].get<uint64_t>();
  }
  CHECK(free_heap < 10'000'000);  // 28 MB while pages were given back only now and then
}

TEST_CASE("the forecast of a model that is not loaded is within 2 % or 8 MB of its measured peak") {
  for (const std::vector<std::string>& arguments : kCases) {
    CAPTURE(arguments[1]);
    const json found = document_of(arguments);
    if (!found["heap_is_open"]) return;
    std::vector<std::string> ahead = arguments;
    ahead.insert(ahead.end(), {"--forecast", "--tokens", std::to_string(found["tokens"].get<int>())});
    const json told = document_of(ahead);
    CHECK(told["scheme"] == found["scheme"]);
    CHECK(told["context"] == found["context"]);
    const double peak = found["peak_resident_bytes"], forecast = told["peak_resident_bytes"];
    CHECK(std::abs(forecast - peak) <= std::max(0.02 * peak, 8e6));
  }
}

TEST_CASE("every phase has its peak, and the largest is the run's") {
  const json found = document_of({"--new-tokens", "3"});
  REQUIRE(found["phases"].size() == 3);
  uint64_t largest = 0;
  for (const json& phase : found["phases"]) {
    CHECK(phase["peak_resident_bytes"] >= phase["resident_bytes"]);
    largest = std::max(largest, phase["peak_resident_bytes"].get<uint64_t>());
  }
  CHECK(found["peak_resident_bytes"] == largest);
  CHECK(found["tokens"] == 35);
}

TEST_CASE("a limit is answered with yes or no, the figures, and the exit code") {
  const std::vector<std::string> large = {"--forecast", "--model",   "synthetic:12b", "--scheme",
                                          "int4",       "--context", "32768",         "--limit"};
  std::vector<std::string> tight = large, wide = large;
  tight.push_back("1GB");
  wide.push_back("1TB");
  const Outcome no = memory(tight);
  CHECK(no.exit_code == 1);
  CHECK(contains(no.text, "does not fit: "));
  CHECK(contains(no.text, "1.00 GB allowed"));
  const Outcome yes = memory(wide);
  CHECK(yes.exit_code == 0);
  CHECK(contains(yes.text, "\nfits: "));
  CHECK(contains(yes.text, " left\n"));
}

TEST_CASE("layers are listed on request, and text and JSON tell the same scheme") {
  const Outcome run = memory({"--layers"});
  CHECK(run.exit_code == 0);
  CHECK(contains(run.text, "layer  0, weights"));
  CHECK(contains(run.text, "int4"));
  CHECK(contains(run.text, "unaccounted"));
  CHECK(!contains(memory({}).text, "layer  0"));
}

TEST_CASE("what cannot be is refused with the option's name") {
  CHECK(memory({"--limit", "8 apples"}).exit_code == 2);
  CHECK(memory({"--tokens", "5"}).exit_code == 2);
  CHECK(memory({"--forecast", "--model", kModels + "stories-qat", "--scheme", "mobile"}).exit_code == 2);
  CHECK(memory({"--forecast", "--scheme", "nonsense"}).exit_code == 2);
  CHECK(memory({"--model", "no-such-folder"}).exit_code == 3);
  CHECK(memory({"--prompt-tokens", "100000"}).exit_code == 2);
}

TEST_CASE("sizes are read in powers of ten, and of two with an i") {
  CHECK(gemma::parse_bytes("8GB") == 8'000'000'000u);
  CHECK(gemma::parse_bytes("512 MiB") == uint64_t{512} << 20);
  CHECK(gemma::parse_bytes("1.5k") == 1500u);
  CHECK(gemma::parse_bytes("42") == 42u);
  CHECK(gemma::parse_bytes("42b") == 42u);
  for (const char* wrong : {"", "GB", "-1GB", "1e30", "nan", "inf", "8XB", "8GBs", "8iB"}) {
    CAPTURE(wrong);
    CHECK(!gemma::parse_bytes(wrong));
  }
}
