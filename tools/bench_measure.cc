#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include "tools/bench_commands.h"
#include "tools/bench_compare.h"
#include "tools/bench_options.h"
#include "tools/bench_report.h"
#include "tools/measured_output.h"
#include "tools/run_record.h"
#include "tools/terminal.h"
#include "tools/version.h"

namespace gemma {
namespace {

constexpr std::string_view kProgram = "gemma-bench";

// A line on the terminal that is written over; nothing in a pipe.
std::function<void(const std::string&)> status_line() {
  if (!is_terminal(kStderr)) return {};
  return [](const std::string& status) {
    constexpr size_t kWidth = 60;
    write_text(kStderr, fmt::format("\r{:<{}}", status.substr(0, kWidth), kWidth));
  };
}

std::vector<size_t> thread_counts(const BenchGrid& grid) {
  std::vector<size_t> counts = {1};
  for (const BenchVariant& variant : grid.variants) counts.push_back(variant.threads);
  std::sort(counts.begin(), counts.end());
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  return counts;
}

std::string as_text(const BenchDocument& document, const std::string& format) {
  if (format == "json") {
    return to_json(document).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  if (format == "csv") return bench_csv(document);
  if (format == "markdown") return bench_markdown(document);
  std::string text = bench_table(document);
  if (document.settings.abba) text += "\n" + comparison_table(compare_variants(document.cells));
  return text;
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) return fail(ErrorCode::kIo, path, "cannot be written", "is there such a folder, and room?");
  return {};
}

Result<BenchDocument> measure(const BenchFlags& flags, BenchGrid grid) {
  BenchDocument document;
  document.version = version();
  document.date = utc_now();
  document.machine = machine();
  document.settings = grid.settings;
  grid.progress = status_line();
  const auto end_status = [&] {
    if (grid.progress) write_text(kStderr, fmt::format("\r{:<60}\r", ""));
  };
  const kernels::Isa isa = grid.isa.value_or(kernels::default_isa());
  const std::vector<size_t> threads = thread_counts(grid);
  if (flags.limits) {
    if (grid.progress) grid.progress("measuring the machine");
    Result<Limits> limits = measure_limits(threads, isa);
    if (!limits) return fail(std::move(limits.error()));
    document.limits = std::move(*limits);
  }
  if (!flags.machine) {
    Result<std::vector<BenchCell>> cells = run_grid(grid);
    end_status();
    if (!cells) return fail(std::move(cells.error()));
    document.cells = std::move(*cells);
  }
  // A neighbour that slows the memory down for a while must not make a limit that the model exceeds.
  if (flags.limits && !flags.machine) {
    Result<Limits> again = measure_limits(threads, isa);
    if (again) document.limits.keep_better_of(*again);
  }
  end_status();
  return document;
}

}  // namespace

ExitCode bench_measure(int argc, const char* const* argv) {
  BenchFlags flags;
  Options options = bench_options(flags);
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  if (const std::optional<ExitCode> done = handle_kernel_list(kProgram, flags.kernels)) return *done;
  Result<BenchGrid> grid = bench_grid(flags);
  if (!grid) return report(kProgram, grid.error());
  Result<BenchDocument> document = measure(flags, std::move(*grid));
  if (!document) return report(kProgram, document.error());
  document->command = command_line(kProgram, argc, argv);
  const std::string text = as_text(*document, flags.format);
  if (flags.html) {
    const Result<void> page = write_html(*flags.html, to_json(*document));
    if (!page) return report(kProgram, page.error());
  }
  if (!flags.out) return print(kProgram, text);
  const Result<void> written = write_file(*flags.out, text);
  return written ? ExitCode::kOk : report(kProgram, written.error());
}

ExitCode bench_compare(int argc, const char* const* argv) {
  constexpr std::string_view kName = "gemma-bench compare";
  std::vector<std::string> files;
  std::optional<double> most;
  bool json = false;
  Options options(
      std::string(kName),
      "Compares two measurements (gemma-bench --format json), cell by cell: the ratio of the medians "
      "with a 95 % confidence interval by bootstrap. Ratios are of time: above 1, the second is slower.");
  options.group("Options");
  options.positional(
      {.name = "FILE", .target = &files, .required = true, .help = "two documents, the base first"});
  options.add(
      {.name = "max-slowdown",
       .target = &most,
       .range = {.min = 0},
       .value = "SHARE",
       .default_text = "none",
       .help = "exit code 1 if a median is slower by more than this share (0.05: 5 %) and the interval lies "
               "above 1"});
  options.add({.name = "json", .target = &json, .help = "print one JSON object instead of a table"});
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  if (files.size() != 2) {
    return report(
        kName, Error{ErrorCode::kUsage, {}, fmt::format("expected two files, found {}", files.size()), {}});
  }
  Result<BenchDocument> a = read_document(files[0]);
  if (!a) return report(kName, a.error());
  Result<BenchDocument> b = read_document(files[1]);
  if (!b) return report(kName, b.error());
  Result<std::vector<SpeedComparison>> comparisons = compare_documents(*a, *b);
  if (!comparisons) return report(kName, comparisons.error());
  for (const std::string& difference : differing_circumstances(*a, *b)) warn(kName, difference);
  const size_t beyond = most ? count_beyond(*comparisons, *most) : 0;
  std::string text = comparison_table(*comparisons);
  if (most) text += fmt::format("\n{} of {} beyond the slowdown of {}\n", beyond, comparisons->size(), *most);
  if (json) {
    nlohmann::ordered_json document = {{"schema", kBenchSchema}, {"comparisons", to_json(*comparisons)}};
    if (most) document["beyond_max_slowdown"] = beyond;
    text = document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  const ExitCode printed = print(kName, text);
  return printed == ExitCode::kOk && beyond > 0 ? ExitCode::kThreshold : printed;
}

}  // namespace gemma
