#include "tools/eval_accuracy.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include <fmt/format.h>

#include "tools/measured_output.h"
#include "tools/progress_bar.h"
#include "tools/run_record.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr std::string_view kProgram = "gemma-eval accuracy";

std::string line_of(const nlohmann::ordered_json& json) {
  // Text of a model may be cut inside a character; JSON must not be.
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

// --items: a line as soon as it is known, so that a run that is broken off leaves what it had.
class ItemFile {
 public:
  static Result<ItemFile> create(const std::optional<std::string>& path) {
    ItemFile file;
    if (!path) return file;
    file.path_ = *path;
    file.stream_.reset(std::fopen(path->c_str(), "wbe"));
    if (!file.stream_) return file.failure();
    return file;
  }

  Result<void> write(const nlohmann::ordered_json& line) {
    if (!stream_) return {};
    const std::string text = line_of(line);
    const bool written = std::fwrite(text.data(), 1, text.size(), stream_.get()) == text.size();
    if (!written || std::fflush(stream_.get()) != 0) return failure();
    return {};
  }

 private:
  struct Close {
    void operator()(std::FILE* stream) const { std::fclose(stream); }
  };

  Failure failure() const {
    const int error = errno;
    const bool full = error == ENOSPC || error == EDQUOT;
    return fail(full ? ErrorCode::kResource : ErrorCode::kIo, path_,
                "cannot write: " + std::generic_category().message(error));
  }

  std::string path_;
  std::unique_ptr<std::FILE, Close> stream_;
};

// The running value of the first figure: what a progress bar shows.
class Running {
 public:
  explicit Running(const Questions& questions) : questions_(questions) {}
  std::string add(size_t index, const ItemResult& result) {
    const bool choice = questions_.multiple_choice();
    sum_ += choice ? (result.picks.acc == questions_.items[index].answer ? 1 : 0) : result.squad.f1;
    return fmt::format("{} {:.1f} %", choice ? "accuracy" : "F1", 100 * sum_ / static_cast<double>(++count_));
  }

 private:
  const Questions& questions_;
  double sum_ = 0;
  size_t count_ = 0;
};

}  // namespace

Result<AccuracyReport> measure_accuracy(const AccuracyFlags& flags, const Questions& questions) {
  std::vector<PreparedVariant> prepared;
  Result<PreparedVariant> first = prepare_variant(flags, flags.model, flags.scheme, questions);
  if (!first) return fail(std::move(first.error()));
  prepared.push_back(std::move(*first));
  if (!flags.against.empty()) {
    const ModelAndScheme other = parse_variant(flags.against);
    Result<PreparedVariant> second =
        prepare_variant(flags, other.model.empty() ? flags.model : other.model, other.scheme, questions);
    if (!second) return fail(std::move(second.error()));
    prepared.push_back(std::move(*second));
  }
  Result<ItemFile> items = ItemFile::create(flags.items);
  if (!items) return fail(std::move(items.error()));

  AccuracyReport report;
  const size_t total = prepared.size() * questions.items.size();
  ProgressBar bar;
  for (size_t v = 0; v < prepared.size(); ++v) {
    Running running(questions);
    ProgressBar loading;
    const Progress show_loading = [&](uint64_t done, uint64_t whole) {
      done < whole ? loading.show(done, whole, "loading") : loading.clear();
    };
    Result<VariantResult> result =
        run_variant(flags, std::move(prepared[v]), questions, show_loading,
                    [&](size_t index, const ItemResult& item) -> Result<void> {
                      Result<void> written = items->write(item_json(questions, v, index, item));
                      if (!written) return written;
                      bar.show(v * questions.items.size() + index + 1, total, running.add(index, item));
                      return {};
                    });
    if (!result) return fail(std::move(result.error()));
    report.variants.push_back(std::move(*result));
  }
  bar.clear();
  report.limits = check_limits(flags, figures(questions, report.variants.front()));
  return report;
}

ExitCode eval_accuracy(int argc, const char* const* argv) {
  AccuracyFlags flags;
  Options options = accuracy_options(flags);
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  if (const std::optional<ExitCode> done = handle_kernel_list(kProgram, flags.kernels)) return *done;
  if (Result<void> sound = check_accuracy_flags(flags); !sound) return gemma::report(kProgram, sound.error());
  const Result<Questions> questions = read_questions(flags);
  if (!questions) return gemma::report(kProgram, questions.error());
  const Result<AccuracyReport> measured = measure_accuracy(flags, *questions);
  if (!measured) return gemma::report(kProgram, measured.error());
  for (const VariantResult& variant : measured->variants) {
    for (const std::string& note : variant.notes) warn(kProgram, note);
  }
  nlohmann::ordered_json document = accuracy_json(flags, *questions, *measured);
  add_run_record(document, kProgram, argc, argv);
  const ExitCode printed = print_measured(
      kProgram, {std::move(document), accuracy_text(flags, *questions, *measured), flags.json, flags.html});
  if (printed != ExitCode::kOk) return printed;
  bool all_met = true;
  for (const Limit& limit : measured->limits) {
    if (limit.met()) continue;
    all_met = false;
    (void)write_text(
        kStderr, fmt::format("{}: {} {}: found {:.4f}\n", kProgram, limit.option, limit.limit, limit.value));
  }
  return all_met ? ExitCode::kOk : ExitCode::kThreshold;
}

}  // namespace gemma
