#include "tools/run_pull.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loader/format_bytes.h"
#include "loader/hub_pull.h"
#include "tools/options.h"
#include "tools/pull_progress.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr const char* kProgram = "gemma-run pull";
constexpr int kJsonSchema = 1;
using Clock = std::chrono::steady_clock;

struct PullFlags {
  std::optional<std::string> model;
  std::vector<std::string> include;
  bool json = false;
};

Options pull_options(PullFlags& flags) {
  Options options(
      kProgram,
      "Fetches a model from the Hugging Face hub into the local cache, from where every program "
      "takes it by its id. Only the files that are needed come, and only what is missing of them: "
      "the same command goes on where it was stopped.");
  options.positional({.name = "ID",
                      .target = &flags.model,
                      .required = true,
                      .help =
                          "owner/name or owner/name@revision, such as google/gemma-4-E2B-it; a revision is "
                          "a branch, tag or commit"});
  options.group("Files");
  options.add({.name = "include",
               .target = &flags.include,
               .value = "PATTERN",
               .default_text = "the safetensors, or the only .gguf",
               .help = "fetch these weights instead, such as '*Q4_0.gguf'; may be repeated. Configuration, "
                       "tokenizer and model card always come along"});
  options.group("Report");
  options.add({.name = "json",
               .target = &flags.json,
               .help = "folder, commit, files, bytes and seconds as one JSON document on stdout"});
  options.epilogue(
      "HF_TOKEN, or the token that `hf auth login` keeps, says who asks; HF_HOME and\n"
      "HF_HUB_CACHE where the cache is; HF_ENDPOINT which hub to ask; HF_HUB_OFFLINE\n"
      "that none is to be asked.\n");
  return options;
}

// The line on the terminal; nothing in a pipe.
class Bar {
 public:
  void draw(const PullProgress& progress) {
    if (!on_) return;
    // The last column stays free: some terminals would wrap.
    const std::optional<std::string> line =
        meter_.line(progress, Clock::now(), std::max<size_t>(terminal_columns(kStderr), 2) - 1);
    if (!line) return;
    (void)write_text(kStderr, fmt::format("\r{:<{}}", *line, width_));
    width_ = line->size();
  }
  void clear() {
    if (width_ > 0) (void)write_text(kStderr, fmt::format("\r{:<{}}\r", "", width_));
    width_ = 0;
  }

 private:
  PullMeter meter_;
  size_t width_ = 0;
  bool on_ = is_terminal(kStderr);
};

Result<PulledModel> pull(const PullFlags& flags) {
  Result<HubSettings> settings = hub_settings();
  if (!settings) return fail(std::move(settings.error()));
  Bar bar;
  PullOptions options;
  options.settings = std::move(*settings);
  options.include = flags.include;
  options.progress = [&](const PullProgress& progress) { bar.draw(progress); };
  options.events.cancelled = interrupted;
  options.events.notice = [&](std::string_view text) {
    bar.clear();
    warn(kProgram, text);
  };
  Result<PulledModel> pulled = pull_model(*flags.model, options);
  bar.clear();
  return pulled;
}

// The last net under libraries that throw.
Result<PulledModel> pull_guarded(const PullFlags& flags) {
  try {
    return pull(flags);
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, {}, error.what());
  }
}

std::string report_json(const std::string& model, const PulledModel& pulled, double seconds) {
  nlohmann::ordered_json files = nlohmann::ordered_json::array();
  for (const PulledFile& file : pulled.files) {
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"fetched_bytes", file.fetched_bytes}});
  }
  const nlohmann::ordered_json report = {
      {"schema", kJsonSchema},     {"model", model},
      {"folder", pulled.folder},   {"commit", pulled.commit},
      {"files", std::move(files)}, {"bytes", pulled.bytes},
      {"seconds", seconds},        {"fetched_bytes", pulled.fetched_bytes}};
  // A path need not be UTF-8.
  return report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

ExitCode run_pull(int argc, const char* const* argv) {
  PullFlags flags;
  Options options = pull_options(flags);
  if (std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  // A limit on the size of files is then an error like a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  catch_interrupt();
  const Clock::time_point start = Clock::now();
  const Result<PulledModel> pulled = pull_guarded(flags);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (!pulled && interrupted()) {
    warn(kProgram, "stopped; the same command goes on from here");
    // To the shell, a program that Ctrl-C ended.
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
  if (!pulled) return report(kProgram, pulled.error());
  if (flags.json) return print(kProgram, report_json(*flags.model, *pulled, seconds));
  if (is_terminal(kStderr)) {
    (void)write_text(kStderr, fmt::format("{} files, {}, of them {} fetched in {}\n", pulled->files.size(),
                                          format_bytes(pulled->bytes), format_bytes(pulled->fetched_bytes),
                                          format_duration(seconds)));
  }
  return print(kProgram, pulled->folder + "\n");
}

}  // namespace gemma
