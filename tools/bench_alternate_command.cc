// "gemma-bench alternate": options in, turns taken, report out.
#include <fmt/format.h>

#include "tools/bench_alternate.h"
#include "tools/bench_commands.h"
#include "tools/options.h"
#include "tools/terminal.h"

namespace gemma {

ExitCode bench_alternate(int argc, const char* const* argv) {
  constexpr std::string_view kName = "gemma-bench alternate";
  std::optional<std::string> command_a, command_b;
  AlternateSide a, b;
  uint64_t runs = AlternateSettings().runs, warmup = AlternateSettings().warmup;
  std::vector<std::string> both;
  bool json = false;
  Options options(
      std::string(kName),
      "Runs two commands in turns (A B, B A, ...) and compares figures that they print: the ratio of the "
      "medians, second to first, with a 95 % confidence interval by bootstrap.");
  options.group("Programs");
  options.add({.name = "a", .target = &command_a, .value = "COMMAND", .help = "the first, for /bin/sh"});
  options.add({.name = "b", .target = &command_b, .value = "COMMAND", .help = "the second"});
  options.add({.name = "figure",
               .target = &both,
               .value = "WHERE",
               .help = "a figure in the output of both: a JSON pointer (\"/0/avg_ts\") or a regular "
                       "expression with one group; may be repeated"});
  options.add({.name = "figure-a",
               .target = &a.figures,
               .value = "WHERE",
               .help = "the same of the first alone; compared with the --figure-b of the same place"});
  options.add(
      {.name = "figure-b", .target = &b.figures, .value = "WHERE", .help = "the same of the second alone"});
  options.group("Runs");
  options.add({.name = "runs",
               .letter = 'r',
               .target = &runs,
               .range = {.min = 1, .max = 100'000},
               .unit = "pairs",
               .help = "pairs that are recorded: so many figures of each"});
  options.add({.name = "warmup",
               .target = &warmup,
               .range = {.min = 0, .max = 100'000},
               .unit = "pairs",
               .help = "pairs before those"});
  options.group("Report");
  options.add({.name = "json", .target = &json, .help = "print one JSON object, every sample included"});
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  if (!command_a || !command_b) {
    return report(kName, Error{ErrorCode::kUsage, {}, "expected --a and --b, the two commands", {}});
  }
  a.command = *command_a;
  b.command = *command_b;
  a.figures.insert(a.figures.begin(), both.begin(), both.end());
  b.figures.insert(b.figures.begin(), both.begin(), both.end());
  std::function<void(const std::string&)> progress;
  if (is_terminal(kStderr)) {
    progress = [](const std::string& status) { write_text(kStderr, fmt::format("\r{:<40}", status)); };
  }
  Result<std::vector<AlternateFigure>> figures = alternate(a, b, {warmup, runs}, progress);
  if (progress) write_text(kStderr, fmt::format("\r{:<40}\r", ""));
  if (!figures) return report(kName, figures.error());
  const std::string text =
      json ? alternate_json(a, b, *figures).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
                 "\n"
           : alternate_table(a, b, *figures);
  return print(kName, text);
}

}  // namespace gemma
