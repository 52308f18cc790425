// The table of options: what is understood, what every error says, what --help prints.
#include "tools/options.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tools/options_command.h"
#include "tools/options_nearest.h"

using gemma::ErrorCode;
using gemma::Option;
using gemma::Options;

namespace {

// One option of every kind.
struct Flags {
  bool raw = false;
  int64_t offset = -3;
  uint64_t top_k = 40;
  double top_p = 0.95;
  std::string kv_type = "f32";
  std::vector<std::string> prompts;
  std::optional<bool> sample;
  std::optional<int64_t> bias;
  std::optional<uint64_t> seed;
  std::optional<double> temperature;
  std::optional<std::string> session;
};

struct Program {
  Flags flags;
  Options options{"gemma-test", "Tests the table."};

  Program() {
    options.group("Sampling");
    options.add({.name = "top-k",
                 .letter = 'k',
                 .target = &flags.top_k,
                 .range = {.min = 1, .max = 1000},
                 .unit = "tokens",
                 .help = "keep the k likeliest"});
    options.add({.name = "top-p",
                 .target = &flags.top_p,
                 .range = {.min = 0, .max = 1, .above_min = true},
                 .help = "keep this much"});
    options.add({.name = "temperature",
                 .target = &flags.temperature,
                 .range = {.min = 0},
                 .default_text = "the model's own",
                 .help = "how bold"});
    options.add({.name = "seed", .target = &flags.seed, .help = "start of the random numbers"});
    options.add({.name = "sample", .aliases = {"do-sample"}, .target = &flags.sample, .help = "draw"});
    options.add({.name = "bias", .target = &flags.bias, .range = {.max = 5}, .help = "shift"});
    options.group("Input");
    options.add({.name = "prompt", .letter = 'p', .target = &flags.prompts, .help = "what to answer"});
    options.add({.name = "raw", .letter = 'r', .target = &flags.raw, .help = "no template"});
    options.add({.name = "offset", .target = &flags.offset, .help = "where"});
    options.add({.name = "kv-type",
                 .target = &flags.kv_type,
                 .words = {"f32", "bf16", "f16"},
                 .help = "type of the cache"});
    options.add(
        {.name = "session", .target = &flags.session, .value = "FILE", .help = "where to keep the talk"});
  }

  gemma::Result<Options::Outcome> parse(std::vector<const char*> arguments) {
    return options.parse(arguments);
  }

  // The error's line; a parse that works is an empty one, which no test expects.
  std::string error(std::vector<const char*> arguments) {
    const auto outcome = parse(std::move(arguments));
    if (outcome) return {};
    CHECK(outcome.error().code == ErrorCode::kUsage);
    return outcome.error().message();
  }
};

}  // namespace

TEST_CASE("without arguments every target keeps its default") {
  Program program;
  REQUIRE(program.parse({}) == Options::Outcome::kRun);
  CHECK(program.flags.top_k == 40);
  CHECK(program.flags.prompts.empty());
  CHECK(!program.flags.seed);
  CHECK(!program.options.given("top-k"));
}

TEST_CASE("a value follows as the next argument, after '=' or, for a letter, at once") {
  for (const std::vector<const char*>& spelling :
       {std::vector<const char*>{"--top-k", "7"}, {"--top-k=7"}, {"-k", "7"}, {"-k7"}, {"-k=7"}}) {
    Program program;
    REQUIRE(program.parse(spelling));
    CHECK(program.flags.top_k == 7);
    CHECK(program.options.given("top-k"));
  }
}

TEST_CASE("underscores in names are dashes, in values they stay") {
  Program program;
  REQUIRE(program.parse({"--top_k=7", "--do_sample", "--session", "my_talk"}));
  CHECK(program.flags.top_k == 7);
  CHECK(program.flags.sample == true);
  CHECK(program.flags.session == "my_talk");
}

TEST_CASE("a list collects every occurrence, anything else keeps the last") {
  Program program;
  REQUIRE(program.parse({"-p", "a", "--prompt=b", "-p", "", "--top-k", "1", "--top-k", "2"}));
  CHECK(program.flags.prompts == std::vector<std::string>{"a", "b", ""});
  CHECK(program.flags.top_k == 2);
}

TEST_CASE("flags are set, negated, spelled out and joined") {
  Program program;
  REQUIRE(program.parse({"--raw"}));
  CHECK(program.flags.raw);
  REQUIRE(program.parse({"--no-raw", "--sample=false"}));
  CHECK(!program.flags.raw);
  CHECK(program.flags.sample == false);
  REQUIRE(program.parse({"-rk9"}));
  CHECK(program.flags.raw);
  CHECK(program.flags.top_k == 9);
}

TEST_CASE("a negative number and a text with a dash in front are values") {
  Program program;
  REQUIRE(program.parse({"--offset", "-12", "-p", "-5 degrees", "--bias=-9223372036854775808"}));
  CHECK(program.flags.offset == -12);
  CHECK(program.flags.prompts == std::vector<std::string>{"-5 degrees"});
  CHECK(program.flags.bias == INT64_MIN);
}

TEST_CASE("whole numbers reach the ends of 64 bits and no further") {
  Program program;
  REQUIRE(program.parse({"--seed", "18446744073709551615", "--offset", "9223372036854775807"}));
  CHECK(program.flags.seed == UINT64_MAX);
  CHECK(program.flags.offset == INT64_MAX);
  CHECK(program.error({"--seed", "18446744073709551616"}) ==
        "--seed: expected a whole number from 0 on, found '18446744073709551616'");
  CHECK(program.error({"--offset=9223372036854775808"}) ==
        "--offset: expected a whole number, found '9223372036854775808'");
}

TEST_CASE("a value that is no number is refused with option, value and expectation") {
  Program program;
  CHECK(program.error({"--top-k", "many"}) ==
        "--top-k: expected a whole number from 1 to 1000, found 'many'");
  CHECK(program.error({"-k", "7.5"}) == "-k: expected a whole number from 1 to 1000, found '7.5'");
  CHECK(program.error({"--top-k="}) == "--top-k: expected a whole number from 1 to 1000, found ''");
  CHECK(program.error({"--seed=-1"}) == "--seed: expected a whole number from 0 on, found '-1'");
  CHECK(program.error({"--seed=+-1"}) == "--seed: expected a whole number from 0 on, found '+-1'");
  CHECK(program.error({"--temperature", "hot"}) == "--temperature: expected a number from 0 on, found 'hot'");
}

TEST_CASE("a number out of range is refused, both ends") {
  Program program;
  CHECK(program.error({"--top-k", "0"}) == "--top-k: expected a whole number from 1 to 1000, found '0'");
  CHECK(program.error({"--top-k", "1001"}) ==
        "--top-k: expected a whole number from 1 to 1000, found '1001'");
  CHECK(program.error({"--top-p", "0"}) == "--top-p: expected a number above 0 to 1, found '0'");
  CHECK(program.error({"--bias", "6"}) == "--bias: expected a whole number of at most 5, found '6'");
  CHECK(program.parse({"--top-p", "1", "--bias", "5", "--top-k", "1000"}));
}

TEST_CASE("nan, infinity and overflow are no numbers unless the option allows them") {
  Program program;
  for (const char* text : {"nan", "-nan", "inf", "-inf", "1e999"}) {
    CAPTURE(text);
    CHECK(program.error({"--temperature", text})
              .starts_with("--temperature: expected a number from 0 on, found"));
  }
  double limit = 0;
  Options options("gemma-test", "Tests.");
  options.add({.name = "limit", .target = &limit, .non_finite = true, .help = "any"});
  const char* infinite[] = {"--limit=inf"};
  REQUIRE(options.parse(infinite));
  CHECK(std::isinf(limit));
  const char* nan[] = {"--limit=nan"};
  REQUIRE(options.parse(nan));
  CHECK(std::isnan(limit));
}

TEST_CASE("a word that is not on the list is refused with the list and the nearest") {
  Program program;
  CHECK(program.error({"--kv-type", "fp16"}) ==
        "--kv-type: expected one of f32, bf16, f16, found 'fp16' (did you mean f16?)");
  CHECK(program.error({"--kv-type", "double"}) ==
        "--kv-type: expected one of f32, bf16, f16, found 'double'");
  CHECK(program.error({"--raw=maybe"}) == "--raw: expected true or false, found 'maybe'");
}

TEST_CASE("an unknown option suggests the nearest, or the manual") {
  Program program;
  CHECK(program.error({"--top-q", "1"}) == "unknown option '--top-q' (did you mean --top-k?)");
  CHECK(program.error({"--temprature=1"}) == "unknown option '--temprature' (did you mean --temperature?)");
  CHECK(program.error({"--temp", "1"}) == "unknown option '--temp' (did you mean --temperature?)");
  CHECK(program.error({"--nothing-like-it"}) == "unknown option '--nothing-like-it' (see gemma-test --help)");
  CHECK(program.error({"-x"}) == "unknown option '-x' (see gemma-test --help)");
  CHECK(program.error({"-prompt=x"}) == "unknown option '-prompt=x' (did you mean --prompt=x?)");
  CHECK(program.error({"-seed", "1"}) == "unknown option '-seed' (did you mean --seed?)");
  CHECK(program.error({"--no-top-k"}).starts_with("unknown option '--no-top-k'"));
}

TEST_CASE("an error does not repeat control characters") {
  Program program;
  CHECK(program.error({"--top-k", "1\x1b[2J"}).ends_with("found '1?[2J'"));
}

TEST_CASE("an error repeats only the beginning of a very long argument") {
  Program program;
  const std::string name = "--" + std::string(100000, 'x');
  CHECK(program.error({name.c_str()}).size() < 200);
  const std::string value(100000, '9');
  CHECK(program.error({"--top-k", value.c_str()}).size() < 200);
}

TEST_CASE("a missing value is refused, also when an option stands in its place") {
  Program program;
  CHECK(program.error({"--top-k"}) == "--top-k: a value is missing, expected a whole number from 1 to 1000");
  CHECK(program.error({"-p", "--raw"}) ==
        "-p: a value is missing, expected a text (if '--raw' is the value, write -p=--raw)");
  REQUIRE(program.parse({"-p=--raw"}));
  CHECK(program.flags.prompts == std::vector<std::string>{"--raw"});
}

TEST_CASE("a negated flag takes no value") {
  Program program;
  CHECK(program.error({"--no-raw=1"}) == "--no-raw: takes no value, found '1'");
}

TEST_CASE("an argument that is no option is refused unless the program takes some") {
  Program program;
  CHECK(program.error({"hello"}) == "unexpected argument 'hello' (see gemma-test --help)");
  CHECK(program.error({"-"}) == "unexpected argument '-' (see gemma-test --help)");

  std::optional<std::string> file;
  Options one("gemma-test", "Tests.");
  one.positional({.name = "FILE", .target = &file, .required = true, .help = "what to read"});
  const char* single[] = {"a.txt"};
  REQUIRE(one.parse(single));
  CHECK(file == "a.txt");
  const char* two[] = {"a.txt", "b.txt"};
  CHECK(one.parse(two).error().message() == "unexpected argument 'b.txt' (see gemma-test --help)");
  CHECK(one.parse({}).error().message() == "FILE is missing (see gemma-test --help)");
}

TEST_CASE("'--' ends the options and '-' is an argument") {
  std::vector<std::string> files;
  Options options("gemma-test", "Tests.");
  options.positional({.name = "FILE", .target = &files, .help = "what to read"});
  const char* arguments[] = {"-", "--", "--help", "--"};
  REQUIRE(options.parse(arguments) == Options::Outcome::kRun);
  CHECK(files == std::vector<std::string>{"-", "--help", "--"});
}

TEST_CASE("--help and --version end the parse") {
  Program program;
  CHECK(program.parse({"--help", "--unknown"}) == Options::Outcome::kHelp);
  CHECK(program.parse({"-h"}) == Options::Outcome::kHelp);
  CHECK(program.parse({"--version"}) == Options::Outcome::kVersion);
  CHECK(program.parse({}) == Options::Outcome::kRun);
}

TEST_CASE("two options of one name are our own bug and say so") {
  bool flag = false;
  for (const Option& twin :
       {Option{.name = "raw", .target = &flag}, Option{.name = "x", .aliases = {"raw"}, .target = &flag},
        Option{.name = "x", .letter = 'h', .target = &flag}}) {
    Options options("gemma-test", "Tests.");
    options.add({.name = "raw", .target = &flag, .help = "one"});
    options.add(twin);
    const auto outcome = options.parse({});
    REQUIRE(!outcome);
    CHECK(outcome.error().code == ErrorCode::kInternal);
    CHECK(outcome.error().what.ends_with("is declared twice"));
  }
}

TEST_CASE("help prints default, unit, range and words beside each option") {
  const std::string help = Program().options.help(100);
  CHECK(help.starts_with("Tests the table.\n\nUsage: gemma-test [options]\n\nSampling:\n"));
  CHECK(help.find("  -k, --top-k N               keep the k likeliest [default 40 tokens; 1 .. 1000]\n") !=
        std::string::npos);
  CHECK(help.find("      --top-p X               keep this much [default 0.95; > 0, <= 1]\n") !=
        std::string::npos);
  CHECK(help.find("      --temperature X         how bold [default the model's own; >= 0]\n") !=
        std::string::npos);
  CHECK(help.find("      --kv-type TEXT          type of the cache [default f32; f32 | bf16 | f16]\n") !=
        std::string::npos);
  CHECK(help.find("      --session FILE          where to keep the talk\n") != std::string::npos);
  CHECK(help.find("\nOther:\n  -h, --help") > help.find("\nInput:\n"));
}

TEST_CASE("help fits 80 and 40 columns") {
  uint64_t value = 1;
  Options options(
      "gemma-test",
      "A summary that is long enough to need more than one line even on a terminal of eighty columns.");
  options.add(
      {.name = "an-option-of-quite-some-length",
       .target = &value,
       .range = {.min = 1},
       .unit = "tokens",
       .help = "a description that goes on and on until it has to be broken into several lines of text"});
  for (const size_t columns : {80u, 40u}) {
    const std::string help = options.help(columns);
    size_t begin = 0;
    for (size_t end = help.find('\n'); end != std::string::npos;
         begin = end + 1, end = help.find('\n', begin)) {
      CAPTURE(help.substr(begin, end - begin));
      CHECK(end - begin <= columns);
    }
  }
}

TEST_CASE("nearest: insertions, removals, changes, swaps, beginnings, and a limit") {
  CHECK(gemma::edit_distance("", "abc") == 3);
  CHECK(gemma::edit_distance("kitten", "sitting") == 3);
  CHECK(gemma::edit_distance("seed", "sede") == 1);
  const std::vector<std::string> words = {"seed", "session", "scheme"};
  CHECK(gemma::nearest("sede", words) == "seed");
  CHECK(gemma::nearest("sess", words) == "session");
  CHECK(gemma::nearest("shceme", words) == "scheme");
  CHECK(gemma::nearest("xyz", words).empty());
  CHECK(gemma::nearest("", words).empty());
}

TEST_CASE("a command is chosen by name and gets its own arguments") {
  static int seen = 0;
  const gemma::Command commands[] = {{"logits", "writes logits",
                                      [](int argc, const char* const* argv) {
                                        seen = argc;
                                        return std::string(argv[1]) == "--x" ? gemma::ExitCode::kThreshold
                                                                             : gemma::ExitCode::kOk;
                                      }},
                                     {"tokenize", "prints tokens", nullptr}};
  const char* arguments[] = {"gemma-test", "logits", "--x"};
  CHECK(gemma::run_command("gemma-test", "Tests.", commands, 3, arguments) == gemma::ExitCode::kThreshold);
  CHECK(seen == 2);
  const char* unknown[] = {"gemma-test", "logit"};
  CHECK(gemma::run_command("gemma-test", "Tests.", commands, 2, unknown) == gemma::ExitCode::kUsage);
  CHECK(gemma::run_command("gemma-test", "Tests.", commands, 1, unknown) == gemma::ExitCode::kUsage);
  CHECK(gemma::command_help("gemma-test", "Tests.", commands).find("\n  tokenize  prints tokens\n") !=
        std::string::npos);
}
