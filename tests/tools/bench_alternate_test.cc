// Programs that take turns: which figure is read, in which order they run, what the ratio is.
#include "tools/bench_alternate.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "program.h"

using namespace gemma;
using gemma::tests::contains;
using gemma::tests::Outcome;
using gemma::tests::read_file;
using gemma::tests::run_program;
using gemma::tests::TemporaryFolder;

TEST_CASE("a figure is found by JSON pointer, whatever is printed before the JSON") {
  const std::string output = "[warning] no GPU\nloading\n[{\"avg_ts\": 41.5}, {\"avg_ts\": 12}]\n";
  CHECK(figure_in(output, "/0/avg_ts") == 41.5);
  CHECK(figure_in(output, "/1/avg_ts") == 12);
}

TEST_CASE("a figure is found by the group of a regular expression, in the first line that matches") {
  const std::string output = "| pp512 | 43.21 ± 0.10 |\n| pp512 | 44 |\n";
  CHECK(figure_in(output, "pp512 \\| ([0-9.]+)") == 43.21);
  CHECK(figure_in(output, "\\| ([0-9]+) \\|$") == 44);
}

TEST_CASE("what is no figure is an error that says where it was looked for") {
  const std::string output = "{\"rate\": 0, \"name\": \"x\"}\nspeed: fast\n";
  const std::string json = "{\"rate\": 0, \"name\": \"x\"}";
  CHECK(figure_in(json, "/rate").error().code == ErrorCode::kMismatch);  // nothing above 0
  CHECK(figure_in(json, "/name").error().code == ErrorCode::kMismatch);
  CHECK(figure_in(json, "/missing").error().code == ErrorCode::kMismatch);
  CHECK(figure_in("", "/rate").error().code == ErrorCode::kMismatch);
  CHECK(figure_in("no JSON", "/rate").error().code == ErrorCode::kMismatch);
  CHECK(figure_in(output, "speed: (.*)").error().code == ErrorCode::kMismatch);
  CHECK(figure_in(output, "nowhere (.*)").error().code == ErrorCode::kMismatch);
  CHECK(figure_in(output, "no group").error().code == ErrorCode::kUsage);
  CHECK(figure_in(output, "([").error().code == ErrorCode::kUsage);
  CHECK(figure_in(json, "/~x").error().code == ErrorCode::kUsage);
  CHECK(figure_in(output, "nowhere (.*)").error().where == "nowhere (.*)");
}

TEST_CASE("a line without end does not crash the search") {
  const std::string output(1 << 20, 'a');
  CHECK(figure_in(output, "(a|b)*c(?:x)").error().code == ErrorCode::kMismatch);
}

TEST_CASE("the programs take turns back and forth, warm-up first, and the ratio is second to first") {
  const TemporaryFolder folder;
  const std::string log = folder.file("log");
  const Outcome run =
      run_program({GEMMA_BENCH, "alternate", "--a", "echo A >> " + log + "; echo speed 10", "--b",
                   "echo B >> " + log + "; echo '{\"x\": {\"y\": 25}}'", "--figure-a", "speed ([0-9]+)",
                   "--figure-b", "/x/y", "--runs", "3", "--warmup", "1", "--json"});
  REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
  CHECK(read_file(log) == "A\nB\nB\nA\nA\nB\nB\nA\n");
  const nlohmann::json document = nlohmann::json::parse(run.text);
  CHECK(document["schema"] == 1);
  const nlohmann::json& figure = document["figures"][0];
  CHECK(figure["n"] == 3);
  CHECK(figure["ratio"] == 2.5);
  CHECK(figure["low"] == 2.5);
  CHECK(figure["high"] == 2.5);
  CHECK(figure["samples_a"].size() == 3);
  CHECK(figure["samples_b"].size() == 3);
}

TEST_CASE("the table names both programs and every figure with its spread") {
  const Outcome run = run_program({GEMMA_BENCH, "alternate", "--a", "echo p 2 d 4", "--b", "echo p 3 d 2",
                                   "--figure", "p ([0-9]+)", "--figure", "d ([0-9]+)", "--runs", "2"});
  REQUIRE(run.exit_code == 0);
  CHECK(contains(run.text, "a  echo p 2 d 4\nb  echo p 3 d 2\n"));
  CHECK(contains(run.text, "b / a  1.5000, 95 % interval 1.5000 to 1.5000, n = 2"));
  CHECK(contains(run.text, "b / a  0.5000"));
}

TEST_CASE("a program that fails, or prints something else, ends it with its reason") {
  const auto exit_code = [](const std::string& a, std::vector<std::string> more) {
    std::vector<std::string> all = {GEMMA_BENCH, "alternate", "--a", a, "--b", "echo 1"};
    all.insert(all.end(), more.begin(), more.end());
    return run_program(all).exit_code;
  };
  CHECK(exit_code("echo 1", {"--figure", "([0-9])", "--runs", "1"}) == 0);
  CHECK(exit_code("exit 3", {"--figure", "([0-9])"}) != 0);
  CHECK(exit_code("echo x", {"--figure", "([0-9])"}) != 0);
  CHECK(exit_code("echo 1", {}) == 2);
  CHECK(exit_code("echo 1", {"--figure-a", "([0-9])"}) == 2);
  CHECK(run_program({GEMMA_BENCH, "alternate", "--a", "echo 1"}).exit_code == 2);
}
