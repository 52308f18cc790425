// The whole program on the shipped stories model: figures, files and exit codes.
#include "tools/eval_accuracy.h"

#include <doctest/doctest.h>

#include <sstream>

#include "tests/tools/program.h"

namespace gemma {
namespace {

using tests::contains;
using tests::Outcome;
using tests::read_file;
using tests::TemporaryFolder;
using tests::write_file;
using Json = nlohmann::json;

Outcome accuracy(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {GEMMA_EVAL, "accuracy", "--threads", "1"});
  return tests::run_program(arguments);
}

std::vector<Json> lines(const std::string& text) {
  std::vector<Json> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) out.push_back(Json::parse(line));
  return out;
}

// What every small child's story says, and what none does.
constexpr const char* kChoices =
    R"({"question": "Once upon a time, there was a little", "choices": ["girl", "carburettor"], "answer": "girl"}
{"question": "Lily was sad because she lost her", "choices": ["mortgage payment", "toy"], "answer": 1}
{"question": "Once upon a time, there was a little", "choices": ["girl", "carburettor"], "answer": 1}
)";

TEST_CASE("multiple choice: the model knows its stories, and what it gets wrong counts") {
  const TemporaryFolder folder;
  write_file(folder.file("c.jsonl"), kChoices);
  const Outcome run = accuracy({folder.file("c.jsonl"), "--raw", "--template", "{question}", "--json",
                                "--items", folder.file("items.jsonl"), "--mutual-info", "--against", "#f32"});
  REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
  const Json json = Json::parse(run.text);
  CHECK(json["schema"] == "gemma-eval accuracy/1");
  REQUIRE(json["variants"].size() == 2);
  CHECK(json["variants"][0]["scheme"] == "int4");
  CHECK(json["variants"][1]["scheme"] == "f32");
  CHECK(json["variants"][0]["scores"]["acc"]["value"].get<double>() == doctest::Approx(2.0 / 3));
  CHECK(json["variants"][0]["prompts_hash"] == json["variants"][1]["prompts_hash"]);
  CHECK(json["second_against_first"]["acc"]["mcnemar_p"] == 1.0);
  CHECK(json["second_against_first"]["acc"]["both_right"] == 2);

  const std::vector<Json> items = lines(read_file(folder.file("items.jsonl")));
  REQUIRE(items.size() == 6);
  CHECK(items[0]["acc"] == 0);
  CHECK(items[1]["acc"] == 1);
  CHECK(items[1]["right"] == 1);
  CHECK(items[2]["line"] == 3);
  CHECK(items[0]["log_likelihoods"] == items[2]["log_likelihoods"]);  // the same question again
  CHECK(items[0]["log_likelihoods"][0].get<double>() > items[0]["log_likelihoods"][1].get<double>());
  CHECK(items[0]["log_likelihoods_without_question"].size() == 2);
  CHECK(items[0]["prompt_hash"] != items[1]["prompt_hash"]);
  CHECK(items[3]["variant"] == 1);
}

TEST_CASE("free answers: what the model said is written down with its scores, twice the same") {
  const TemporaryFolder folder;
  write_file(folder.file("q.jsonl"),
             R"({"question": "Once upon a", "references": ["time, there was a little girl named Lily."]})"
             "\n");
  const std::vector<std::string> command = {folder.file("q.jsonl"),
                                            "--raw",
                                            "--template",
                                            "{question}",
                                            "-n",
                                            "40",
                                            "--stop",
                                            ".",
                                            "--json",
                                            "--items",
                                            folder.file("items.jsonl")};
  const Outcome run = accuracy(command);
  REQUIRE_MESSAGE(run.exit_code == 0, run.messages);
  const std::string items = read_file(folder.file("items.jsonl"));
  const Json item = lines(items).at(0);
  CHECK(contains(item["answer"], "time"));
  CHECK(item["finish"] == "stop");
  CHECK(item["f1"].get<double>() > 0.5);
  const Json scores = Json::parse(run.text)["variants"][0]["scores"];
  CHECK(scores["f1"]["value"] == item["f1"]);
  CHECK(scores["rougeL"]["value"] == item["rougeL"]["f1"]);
  accuracy(command);
  CHECK(read_file(folder.file("items.jsonl")) == items);
}

TEST_CASE("an answer that runs into its length is told") {
  const TemporaryFolder folder;
  write_file(folder.file("q.jsonl"), R"({"question": "Tell me a story about a cat.", "references": "x"})");
  const Outcome run = accuracy({folder.file("q.jsonl"), "-n", "3"});
  CHECK(run.exit_code == 0);
  CHECK(run.messages == "gemma-eval accuracy: warning: answers cut at --max-new-tokens: 1\n");
  CHECK(contains(run.text, "1 question of 1 file (jsonl), free answers"));
}

TEST_CASE("a figure below its limit makes the exit code 1, a usage error 2, a bad file 3") {
  const TemporaryFolder folder;
  write_file(folder.file("c.jsonl"), kChoices);
  const std::vector<std::string> base = {folder.file("c.jsonl"), "--raw", "--template", "{question}"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return accuracy(more);
  };
  CHECK(with({"--min-accuracy", "0.6"}).exit_code == 0);
  const Outcome missed = with({"--min-accuracy", "0.7"});
  CHECK(missed.exit_code == 1);
  CHECK(missed.messages == "gemma-eval accuracy: --min-accuracy 0.7: found 0.6667\n");
  CHECK(with({"--few-shot", "2"}).exit_code == 2);
  CHECK(with({"--min-f1", "0.5"}).exit_code == 2);
  CHECK(accuracy({}).exit_code == 2);
  CHECK(accuracy({folder.file("none")}).exit_code == 3);
  write_file(folder.file("bad.jsonl"), "{\n");
  CHECK(accuracy({folder.file("bad.jsonl")}).exit_code == 3);
}

}  // namespace
}  // namespace gemma
