// Which kernels a program takes: --isa and --kernel, GEMMA_ISA and GEMMA_KERNEL where they are not given.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "program.h"

using gemma::tests::contains;
using gemma::tests::gemma_run;
using gemma::tests::Outcome;
using gemma::tests::run_program;

namespace {

// The states that --list-kernels tells of a kernel: "chosen", "supported", "not on this CPU"; "" if it is not
// there.
std::string state_of(const Outcome& list, const std::string& name) {
  std::istringstream lines(list.text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + " ")) return line.substr(line.find_first_not_of(' ', name.size()));
  }
  return "";
}

std::string state_of(std::vector<std::string> arguments, std::vector<std::string> environment,
                     const std::string& name) {
  arguments.emplace_back("--list-kernels");
  const Outcome list = gemma_run(std::move(arguments), {.environment = std::move(environment)});
  CHECK(list.exit_code == 0);
  CHECK(list.messages == "");
  return state_of(list, name);
}

TEST_CASE("without a choice no definition of a matmul is called where the CPU has better") {
  const Outcome list = gemma_run({"--list-kernels"});
#if defined(__x86_64__)
  CHECK(state_of(list, "int4_group32/avxvnni") != "");
  if (state_of(list, "int4_group32/avx2") == "not on this CPU") return;
  CHECK(state_of(list, "int4_group32/portable") == "supported");
#endif
  CHECK(contains(list.text, " chosen\n"));
}

TEST_CASE("an instruction set is taken by option and by variable, and the option goes first") {
  CHECK(state_of({"--isa", "portable"}, {}, "int4_group32/portable") == "chosen");
  CHECK(state_of({}, {"GEMMA_ISA=portable"}, "int4_group32/portable") == "chosen");
#if defined(__x86_64__)
  if (state_of({}, {}, "rms_norm/avx2") == "not on this CPU") return;
  CHECK(state_of({"--isa", "avx2"}, {"GEMMA_ISA=portable"}, "rms_norm/avx2") == "chosen");
  CHECK(state_of({"--isa", "avx2"}, {"GEMMA_ISA=portable"}, "rms_norm/portable") == "supported");
#endif
}

TEST_CASE("kernels are taken by option, by several, by variable, and the option goes first") {
  const std::vector<std::string> both = {"--kernel", "rms_norm/portable,int4_channel/portable"};
  CHECK(state_of(both, {}, "rms_norm/portable") == "chosen");
  CHECK(state_of(both, {}, "int4_channel/portable") == "chosen");
  const std::vector<std::string> twice = {"--kernel", "rms_norm/portable", "--kernel", "dot/portable"};
  CHECK(state_of(twice, {}, "rms_norm/portable") == "chosen");
  CHECK(state_of(twice, {}, "dot/portable") == "chosen");
  CHECK(state_of({}, {"GEMMA_KERNEL=dot/portable,rope/portable"}, "rope/portable") == "chosen");
#if defined(__x86_64__)
  if (state_of({}, {}, "dot/avx2") == "not on this CPU") return;
  CHECK(state_of(both, {}, "dot/portable") == "supported");
  CHECK(state_of(both, {"GEMMA_KERNEL=dot/portable"}, "dot/portable") == "supported");
  CHECK(state_of({"--isa", "avx2"}, {"GEMMA_KERNEL=dot/portable"}, "dot/portable") == "chosen");
  CHECK(state_of({"--isa", "portable", "--kernel", "dot/avx2"}, {}, "dot/avx2") == "chosen");
#endif
}

TEST_CASE("a run reports the instruction set it ran on, and answers the same with a forced integer kernel") {
  const std::vector<std::string> plain = {"-p", "hi", "-n", "3", "-t", "1", "--greedy", "--json"};
  const auto with = [&](std::vector<std::string> more, std::vector<std::string> environment) {
    more.insert(more.end(), plain.begin(), plain.end());
    const Outcome run = gemma_run(std::move(more), {.environment = std::move(environment)});
    REQUIRE(run.exit_code == 0);
    return nlohmann::json::parse(run.text);
  };
  const auto tokens = [](const nlohmann::json& run) { return run["results"][0]["sequences"][0]["ids"]; };
  const nlohmann::json free = with({}, {});
  CHECK(with({"--isa", "portable"}, {})["kernels"] == "portable");
  CHECK(with({}, {"GEMMA_ISA=portable"})["kernels"] == "portable");
  const nlohmann::json forced = with({"--kernel", "int4_group32/portable,bf16_to_float/portable"}, {});
  CHECK(forced["kernels"] == free["kernels"]);
  CHECK(tokens(forced) == tokens(free));
}

TEST_CASE("the other programs list the same kernels and mark the same choice") {
  const std::vector<std::string> choice = {"--list-kernels", "--isa", "portable"};
  const Outcome run = gemma_run(choice);
  CHECK(run_program({GEMMA_BENCH, choice[0], choice[1], choice[2]}).text == run.text);
  for (const char* command : {"perplexity", "logits"}) {
    CAPTURE(command);
    CHECK(run_program({GEMMA_EVAL, command, choice[0], choice[1], choice[2]}).text == run.text);
  }
}

}  // namespace
