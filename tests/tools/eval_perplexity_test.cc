// gemma-eval perplexity as a user runs it: figures, JSON, exit codes, resuming.
#include "tools/eval_perplexity.h"

#include <filesystem>

#include <fmt/format.h>

#include "tests/tools/program.h"
#include "tools/progress_bar.h"

namespace {

using gemma::tests::contains;
using gemma::tests::Outcome;
using gemma::tests::read_file;
using gemma::tests::run_program;
using gemma::tests::TemporaryFolder;
using gemma::tests::write_file;

const std::string kModel = std::string(GEMMA_SOURCE_DIR) + "/models/stories-qat";
constexpr const char* kText =
    "Once upon a time there was a little dog. He liked to run and play in the park all day.";

Outcome perplexity(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {GEMMA_EVAL, "perplexity", "-m", kModel, "-t", "1"});
  return run_program(arguments);
}

}  // namespace

TEST_CASE("text and JSON report the same number, and what makes it comparable") {
  const TemporaryFolder folder;
  const std::string text = folder.file("a.txt");
  write_file(text, kText);
  const Outcome people = perplexity({"--text", text, "-L", "8", "-S", "4"});
  CHECK(people.exit_code == 0);
  CHECK(people.messages.empty());  // no terminal, no progress bar
  const Outcome programs = perplexity({"--text", text, "-L", "8", "-S", "4", "--json"});
  REQUIRE(programs.exit_code == 0);
  const auto json = nlohmann::json::parse(programs.text);
  CHECK(json["schema"] == 1);
  CHECK(json["definition"] == "strict");
  CHECK(json["max_length"] == 8);
  CHECK(json["stride"] == 4);
  CHECK(json["bos"] == "window");
  CHECK(json["scheme"] == "int4");
  CHECK(json["scored_tokens"] == json["text"]["tokens"]);
  CHECK(json["perplexity"].get<double>() > 1);
  CHECK(contains(people.text, fmt::format("perplexity   {:.6f} ±", json["perplexity"].get<double>())));
  CHECK(contains(people.text, "definition   strict\n"));
  CHECK(contains(people.text, "hash " + json["text"]["hash"].get<std::string>()));
  CHECK(contains(people.text, "tokenizer " + json["tokenizer_hash"].get<std::string>()));
}

TEST_CASE("tutorial tells how far it is from strict over the same windows") {
  const TemporaryFolder folder;
  const std::string text = folder.file("a.txt");
  write_file(text, kText);
  const Outcome tutorial = perplexity({"--text", text, "-L", "8", "-S", "4", "-d", "tutorial"});
  const auto strict = nlohmann::json::parse(
      perplexity({"--text", text, "-L", "8", "-S", "4", "--bos", "start", "--json"}).text);
  CHECK(contains(tutorial.text, fmt::format("strict       {:.6f} ±", strict["perplexity"].get<double>())));
  CHECK(contains(tutorial.text, "% from it\n"));
}

TEST_CASE("JSON lines are limited and joined as a script would") {
  const TemporaryFolder folder;
  const std::string lines = folder.file("a.jsonl"), joined = folder.file("joined.txt");
  write_file(lines,
             "{\"story\": \"One day\"}\n{\"story\": \"a dog ran.\"}\n{\"story\": \"Not this one.\"}\n");
  write_file(joined, "One day\n\na dog ran.");
  const auto from_lines = nlohmann::json::parse(
      perplexity({"--text", lines, "--field", "story", "--limit", "2", "--join", "\\n\\n", "--json"}).text);
  const auto from_text = nlohmann::json::parse(perplexity({"--text", joined, "--json"}).text);
  CHECK(from_lines["text"]["hash"] == from_text["text"]["hash"]);
  CHECK(from_lines["perplexity"] == from_text["perplexity"]);
  CHECK(from_lines["text"]["texts"] == 2);
}

TEST_CASE("a finished run is kept, and a run of something else is refused") {
  const TemporaryFolder folder;
  const std::string text = folder.file("a.txt"), state = folder.file("state.json");
  write_file(text, kText);
  const Outcome first = perplexity({"--text", text, "-L", "8", "--resume", state, "--json"});
  REQUIRE(first.exit_code == 0);
  const Outcome again = perplexity({"--text", text, "-L", "8", "--resume", state, "--json"});
  const auto one = nlohmann::json::parse(first.text), two = nlohmann::json::parse(again.text);
  CHECK(one["perplexity"] == two["perplexity"]);
  CHECK(one["seconds"] == two["seconds"]);  // nothing was computed
  const Outcome other = perplexity({"--text", text, "-L", "16", "--resume", state});
  CHECK(other.exit_code == 3);
  CHECK(contains(other.messages, "it belongs to another run"));
}

TEST_CASE("what cannot be measured is said before a model is loaded") {
  const TemporaryFolder folder;
  const std::string text = folder.file("a.txt");
  write_file(text, kText);
  CHECK(perplexity({}).exit_code == 2);
  CHECK(contains(perplexity({}).messages, "--text: missing"));
  CHECK(perplexity({"--text", folder.file("none")}).exit_code == 3);
  CHECK(perplexity({"--text", text, "-d", "llama", "--stride", "4"}).exit_code == 2);
  CHECK(contains(perplexity({"--text", text, "-d", "llama", "--stride", "4"}).messages, "does not slide"));
  CHECK(perplexity({"--text", text, "-d", "tutorial", "-L", "8", "-S", "9"}).exit_code == 2);
  CHECK(perplexity({"--text", text, "-d", "mine"}).exit_code == 2);
}

TEST_CASE("the progress line tells share, time left and note, and fits its terminal") {
  CHECK(gemma::progress_line(5, 10, 67, "perplexity 3", 80) ==
        " 50 % [##########          ] 5/10, 1:07 left, perplexity 3");
  CHECK(gemma::progress_line(0, 10, -1, "", 80) == "  0 % [                    ] 0/10");
  CHECK(gemma::progress_line(5, 10, 67, "perplexity 3", 12).size() == 12);
  CHECK(gemma::clock_text(3.4) == "0:03");
  CHECK(gemma::clock_text(3 * 3600 + 5 * 60 + 9) == "3:05:09");
}
