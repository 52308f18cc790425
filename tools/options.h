// The options of a program, declared once: the same table parses the command line and prints --help.
//
//   struct Flags { uint64_t top_k = 40; std::vector<std::string> prompts; } flags;
//   Options options("gemma-run", "Writes text with a Gemma 4 model.");
//   options.group("Sampling");
//   options.add({.name = "top-k", .target = &flags.top_k, .range = {.min = 1}, .help = "keep the k likeliest
//   tokens"}); options.group("Input"); options.add({.name = "prompt", .letter = 'p', .target =
//   &flags.prompts, .help = "what to answer; may be repeated"}); if (std::optional<ExitCode> done =
//   options.handle(argc, argv)) return static_cast<int>(*done);
//
// The target is a field of the program's own struct. Its type says what a value may be, and what it holds
// when the option is added is the default that --help prints. A std::optional stays empty unless the option
// is given, for defaults that are known only later; `default_text` then says in words where they come from.
//
// What is understood: --name value, --name=value, -n value, -nvalue, -n=value, flags joined (-ab), --flag,
// --no-flag and --flag=true|false; underscores for dashes in names (--top_k); "--" ends the options; "-" is
// an argument, not an option. A list collects every occurrence; of anything else the last one counts. An
// argument that spells one of the options is never taken as a value: --prompt=--raw says that it is meant.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "loader/result.h"
#include "tools/exit_code.h"

namespace gemma {

// Where a value goes: flag, whole number, whole number from 0 on, number, text, list of texts; or the same,
// absent until given.
using OptionTarget =
    std::variant<bool*, int64_t*, uint64_t*, double*, std::string*, std::vector<std::string>*,
                 std::optional<bool>*, std::optional<int64_t>*, std::optional<uint64_t>*,
                 std::optional<double>*, std::optional<std::string>*>;

// The numbers that are allowed, ends included. Ends beyond 2^53 in magnitude are not exact for whole numbers.
struct OptionRange {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool above_min = false;  // the lower end itself is not allowed
};

struct Option {
  std::string name = {};                  // long name without dashes in front, words joined by '-'
  char letter = 0;                        // one-letter name: 'p' for -p; 0 is none
  std::vector<std::string> aliases = {};  // other long names; --help does not list them
  OptionTarget target = {};               // not owned, never null; lives as long as the table
  OptionRange range = {};                 // numbers only
  std::vector<std::string> words = {};    // texts only: the allowed ones; none means any
  bool non_finite = false;                // numbers only: accept nan and inf
  std::string value = {};                 // what --help calls the value; by default N, X, TEXT
  std::string unit = {};                  // "tokens", "bytes"
  std::string default_text = {};          // printed as the default instead of what the target holds
  std::string help = {};                  // one or more sentences; lower-case, no full stop at the end
};

// The plain arguments of a program. A single text takes at most one, a list any number.
struct Positional {
  std::string name = {};  // "FILE"
  std::variant<std::optional<std::string>*, std::vector<std::string>*> target = {};
  bool required = false;  // at least one
  std::string help = {};
};

class Options {
 public:
  // `program` as the user calls it ("gemma-eval logits"); `summary` is the first paragraph of --help.
  Options(std::string program, std::string summary);

  // The options added from here on stand under this heading.
  void group(std::string title);
  void add(Option option);
  void positional(Positional positional);
  // A last paragraph of --help, such as examples: printed as it is, line by line.
  void epilogue(std::string text);

  enum class Outcome { kRun, kHelp, kVersion };

  // Fills the targets from the arguments (program name not among them). At the first error stops and says
  // which option, what was expected and found; targets set before it keep their values. kUsage, or kInternal
  // if two options of the table share a name. Nothing is printed. --help and --version win over errors after
  // them.
  Result<Outcome> parse(std::span<const char* const> arguments);

  // Whether the last parse met the option (by its long name).
  bool given(std::string_view name) const { return given_.contains(std::string(name)); }

  // The text of --help for a terminal this wide; below 64 columns descriptions stand under their option.
  std::string help(size_t columns) const;

  // parse() for a main: prints help or version to stdout, an error to stderr, and returns the exit code;
  // nothing means: go on.
  std::optional<ExitCode> handle(int argc, const char* const* argv);

 private:
  struct Entry {
    Option option;
    size_t group;
    std::string default_text;
  };
  struct Spelling {
    const Entry* entry = nullptr;
    bool negated = false;  // --no-flag
  };

  Result<void> check_table() const;
  std::vector<std::string> long_names() const;
  Spelling find_long(std::string_view name) const;
  const Entry* find_letter(char letter) const;
  bool spells_an_option(std::string_view argument) const;
  Failure unknown(std::string_view argument) const;
  Result<void> take_plain(std::string_view argument);
  Result<void> take_long(std::span<const char* const> arguments, size_t& index);
  Result<void> take_letters(std::span<const char* const> arguments, size_t& index);
  Result<void> take_next(const Entry& entry, std::string_view spelled, std::span<const char* const> arguments,
                         size_t& index);
  Result<void> store(const Entry& entry, std::string_view spelled, std::string_view text);
  std::string see_help() const;

  std::string program_;
  std::string summary_;
  std::string epilogue_;
  std::vector<std::string> groups_;
  std::vector<Entry> entries_;
  std::optional<Positional> positional_;
  std::set<std::string> given_;
  bool help_ = false;
  bool version_ = false;
};

}  // namespace gemma
