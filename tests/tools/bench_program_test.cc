// gemma-bench as a whole program, small and short. What it measures is told to be there, never how large it
// is.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "program.h"
#include "tools/bench_options.h"

using gemma::tests::contains;
using gemma::tests::Outcome;
using gemma::tests::read_file;
using gemma::tests::run_program;
using gemma::tests::TemporaryFolder;
using nlohmann::json;

namespace {

// Two short runs on one thread; the machine's limits take a second and are left out.
Outcome bench(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(),
                   {GEMMA_BENCH, "--threads", "1", "--warmup", "1", "--runs", "2", "--no-limits"});
  return run_program(arguments);
}

}  // namespace

TEST_CASE("every combination of the lists is a cell with all its samples") {
  const Outcome run = bench({"--model", "synthetic:tiny", "--scheme", "int8", "--scheme", "bf16", "-p", "4,9",
                             "-n", "3", "-d", "0,20", "--format", "json"});
  REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
  const json document = json::parse(run.text);
  REQUIRE(document["cells"].size() == 8);
  for (const json& cell : document["cells"]) {
    const json& metrics = cell["metrics"];
    for (const char* per_run :
         {"time_to_first_token", "time_per_output_token", "prefill_rate", "decode_rate", "end_to_end"}) {
      CAPTURE(per_run);
      CHECK(metrics[per_run]["n"] == 2);
      CHECK(metrics[per_run]["samples"].size() == 2);
    }
    CHECK(metrics["inter_token_latency"]["n"] == 4);  // two gaps a run
    CHECK(cell["peak_resident_bytes"] > 0);
    CHECK(cell["load_cold_seconds"].is_null());  // no file to drop
    CHECK(cell["weight_bytes_per_token"] > 0);
    const double end = metrics["end_to_end"]["samples"][0],
                 first = metrics["time_to_first_token"]["samples"][0];
    const double each = metrics["time_per_output_token"]["samples"][0];
    CHECK(end == doctest::Approx(first + 2 * each).epsilon(1e-4));
  }
  CHECK(document["cells"][0]["kv_bytes_per_token"] < document["cells"][1]["kv_bytes_per_token"]);  // deeper
  CHECK(document["machine"]["isas"].size() > 0);
  CHECK(contains(document["command"].get<std::string>(), "--scheme int8 --scheme bf16"));
}

TEST_CASE("all layers can be asked for, and such cells are compared with none but their like") {
  const TemporaryFolder folder;
  const std::string usual = folder.file("usual.json"), all = folder.file("all.json");
  const std::vector<std::string> cell = {"--model", "synthetic:tiny", "--scheme", "int8", "-p", "9", "-n",
                                         "2",       "--format",       "json",     "-o"};
  const auto with = [&](std::initializer_list<std::string> more) {
    std::vector<std::string> arguments = cell;
    arguments.insert(arguments.end(), more);
    return bench(arguments);
  };
  REQUIRE(with({usual}).exit_code == 0);
  REQUIRE(with({all, "--all-layers"}).exit_code == 0);
  CHECK(json::parse(read_file(usual))["cells"][0]["all_layers"] == false);
  CHECK(json::parse(read_file(all))["cells"][0]["all_layers"] == true);
  CHECK(run_program({GEMMA_BENCH, "compare", all, all}).exit_code == 0);
  CHECK(run_program({GEMMA_BENCH, "compare", usual, all}).exit_code == 3);
}

TEST_CASE("the shipped model is the default, table the format, and one new token has no gaps") {
  const Outcome run = bench({"-p", "4", "-n", "1"});
  CHECK(run.exit_code == 0);
  CHECK(contains(run.text, "stories-qat, int4, 1 thread, f16 KV"));
  CHECK(contains(run.text, "time to first token, ms"));
  CHECK(!contains(run.text, "inter-token latency"));
  CHECK(contains(run.text, "peak RSS"));
}

TEST_CASE("a file written and compared with itself shows no difference and exits with 0") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.json");
  REQUIRE(bench({"--model", "synthetic:tiny", "--scheme", "int8", "-p", "4", "-n", "3", "--format", "json",
                 "--out", path})
              .exit_code == 0);
  const Outcome run = run_program({GEMMA_BENCH, "compare", path, path, "--max-slowdown", "0"});
  CHECK(run.exit_code == 0);
  CHECK(contains(run.text, "no difference shown"));
  CHECK(contains(run.text, "0 of 5 beyond"));
  const Outcome as_json = run_program({GEMMA_BENCH, "compare", path, path, "--json"});
  CHECK(json::parse(as_json.text)["comparisons"].size() == 5);
}

TEST_CASE("a slowdown beyond the limit sets the exit code") {
  const TemporaryFolder folder;
  const std::string a = folder.file("a.json"), b = folder.file("b.json");
  REQUIRE(bench({"--model", "synthetic:tiny", "--scheme", "int8", "-p", "4", "-n", "3", "-o", a, "--format",
                 "json"})
              .exit_code == 0);
  json document = json::parse(read_file(a));
  for (json& sample : document["cells"][0]["metrics"]["end_to_end"]["samples"]) sample = 1e6;
  gemma::tests::write_file(b, document.dump());
  CHECK(run_program({GEMMA_BENCH, "compare", a, b, "--max-slowdown", "0.5"}).exit_code == 1);
  CHECK(run_program({GEMMA_BENCH, "compare", a, b}).exit_code == 0);
  CHECK(run_program({GEMMA_BENCH, "compare", b, a, "--max-slowdown", "0.5"}).exit_code == 0);
}

TEST_CASE("with --abba two schemes take turns and are compared") {
  const Outcome run = bench(
      {"--model", "synthetic:tiny", "--scheme", "int8", "--scheme", "f32", "-p", "4", "-n", "3", "--abba"});
  CHECK(run.exit_code == 0);
  CHECK(contains(run.text, "b  synthetic:tiny f32"));
  CHECK(contains(run.text, "verdict"));
}

TEST_CASE("what cannot be is refused before anything is measured") {
  CHECK(bench({"-p", "0"}).exit_code == 2);
  CHECK(bench({"-p", "1,,2"}).exit_code == 2);
  CHECK(bench({"-n", "x"}).exit_code == 2);
  CHECK(bench({"--model", "no-such-folder"}).exit_code == 3);
  CHECK(bench({"--model", "synthetic:tiny", "-p", "9000000"}).exit_code == 2);  // beyond the context
  CHECK(bench({"-p", "2", "-n", "1", "-o", "/no/such/folder/x"}).exit_code == 3);
  CHECK(run_program({GEMMA_BENCH, "compare", "one.json"}).exit_code == 2);
  CHECK(run_program({GEMMA_BENCH, "compare", "/dev/null", "/dev/null"}).exit_code == 3);
}

TEST_CASE("lists of counts are read whole") {
  CHECK(gemma::parse_counts({"1,20", "3"}, "x", 1, 100).value() == std::vector<size_t>{1, 20, 3});
  for (const char* wrong : {"", "1,", ",1", "1 ", "-1", "101", "1;2"}) {
    CAPTURE(wrong);
    CHECK(!gemma::parse_counts({wrong}, "x", 1, 100));
  }
}
