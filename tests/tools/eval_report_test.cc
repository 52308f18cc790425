// gemma-eval report and --html as a user runs them: every kind of document becomes a page.
#include "tests/tools/program.h"
#include "tests/tools/report/well_formed.h"

using namespace gemma::tests;

namespace {

const std::string kFull = std::string(GEMMA_SOURCE_DIR) + "/models/stories-full";

struct Run {
  std::string name;
  std::vector<std::string> arguments;
  std::string heading;  // of its part of the page
};

// Each command that measures, small.
std::vector<Run> commands(const std::string& text) {
  const std::vector<std::string> windows = {"--text", text,        "-L", "16", "-S",
                                            "16",     "--windows", "2",  "-t", "1"};
  const auto eval = [&](const char* command, std::vector<std::string> more, bool cut) {
    more.insert(more.begin(), {GEMMA_EVAL, command});
    if (cut) more.insert(more.end(), windows.begin(), windows.end());
    return more;
  };
  return {
      {"compare", eval("compare", {kFull + "#f32", kFull + "#int4", "--decode-tokens", "4"}, true),
       "costs and loses"},
      {"perplexity", eval("perplexity", {"-m", kFull}, true), "<h2>Perplexity"},
      {"layers", eval("layers", {"-m", kFull, "--scheme", "int8"}, true), "from layer to layer"},
      {"sensitivity", eval("layers", {"-m", kFull, "--sensitivity"}, true), "each class of tensors costs"},
      {"sensitivity by layer", eval("layers", {"-m", kFull, "--sensitivity", "--groups", "layers"}, true),
       "What each layer costs"},
      {"accuracy",
       eval("accuracy",
            {std::string(GEMMA_SOURCE_DIR) + "/docs/data/story-choices.jsonl", "--limit", "2", "-m", kFull,
             "--threads", "1"},
            false),
       "The right choice"},
      {"memory", eval("memory", {"-m", "synthetic:tiny", "--threads", "1"}, false), "by what it is for"},
      {"forecast", eval("memory", {"-m", "synthetic:tiny", "--forecast", "--threads", "1"}, false),
       "forecast"},
  };
}

std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

const std::string kStory =
    "Once upon a time there was a little dog. He liked to run and play in the park all day.";

}  // namespace

TEST_CASE("every kind of measurement writes its page, and one report holds them all") {
  const TemporaryFolder folder;
  write_file(folder.file("a.txt"), kStory);
  std::vector<std::string> report = {GEMMA_EVAL, "report"};
  std::vector<std::string> headings;
  for (const Run& run : commands(folder.file("a.txt"))) {
    CAPTURE(run.name);
    const std::string page = folder.file(run.name + ".html"), json = folder.file(run.name + ".json");
    const Outcome outcome = run_program(with(run.arguments, {"--json", "--html", page}));
    REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.messages);
    CHECK(fault_of(read_file(page)) == "");
    CHECK(contains(read_file(page), run.heading));
    CHECK(contains(read_file(page), "The machine"));
    CHECK(contains(read_file(page), "gemma-eval "));  // the command
    write_file(json, outcome.text);
    report.push_back(json);
    headings.push_back(run.heading);
  }
  const Outcome bench = run_program({GEMMA_BENCH,
                                     "-m",
                                     "synthetic:tiny",
                                     "-t",
                                     "1",
                                     "--warmup",
                                     "0",
                                     "--runs",
                                     "2",
                                     "-p",
                                     "4",
                                     "-n",
                                     "3",
                                     "--no-limits",
                                     "--format",
                                     "json",
                                     "--out",
                                     folder.file("bench.json"),
                                     "--html",
                                     folder.file("bench.html")});
  REQUIRE_MESSAGE(bench.exit_code == 0, bench.messages);
  CHECK(contains(read_file(folder.file("bench.html")), "Time between tokens"));
  report.push_back(folder.file("bench.json"));

  const Outcome all = run_program(with(report, {"--title", "All & more"}));
  REQUIRE_MESSAGE(all.exit_code == 0, all.messages);
  CHECK(fault_of(all.text) == "");
  CHECK(contains(all.text, "<h1>All &amp; more</h1>"));
  for (const std::string& heading : headings) CHECK(contains(all.text, heading));
  CHECK(contains(all.text, "without warm-up"));

  const std::string file = folder.file("all.html");
  const Outcome to_file = run_program(with(report, {"--title", "All & more", "--html", file}));
  CHECK(to_file.exit_code == 0);
  CHECK(to_file.text.empty());
  CHECK(read_file(file) == all.text);
}

TEST_CASE("a report of nothing, of no file, of no JSON and of another's JSON each end with their own code") {
  const TemporaryFolder folder;
  CHECK(run_program({GEMMA_EVAL, "report"}).exit_code == 2);
  const Outcome missing = run_program({GEMMA_EVAL, "report", folder.file("none.json")});
  CHECK(missing.exit_code == 3);
  write_file(folder.file("a.json"), "{\"kind\": \"comparison\"");
  CHECK(run_program({GEMMA_EVAL, "report", folder.file("a.json")}).exit_code == 3);
  write_file(folder.file("a.json"), "{\"kind\": \"perplexity\", \"schema\": 1}");
  const Outcome damaged = run_program({GEMMA_EVAL, "report", folder.file("a.json")});
  CHECK(damaged.exit_code == 3);
  CHECK(contains(damaged.messages, "a.json: model: expected a member of this name, found none"));
  CHECK(damaged.text.empty());
}

TEST_CASE("a page that cannot be written is told, with what was to be printed left out") {
  const TemporaryFolder folder;
  const Outcome outcome = run_program({GEMMA_EVAL, "memory", "-m", "synthetic:tiny", "--forecast", "--html",
                                       folder.file("no/such/folder/a.html")});
  CHECK(outcome.exit_code == 3);
  CHECK(outcome.text.empty());
  CHECK(contains(outcome.messages, "a.html"));
}
