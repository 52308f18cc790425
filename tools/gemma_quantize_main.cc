// gemma-quantize: a checkpoint and a scheme in, a folder that opens at once out. Options:
// tools/quantize_options.cc.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>

#include <fmt/format.h>

#include "engine/activation_scales.h"
#include "engine/model_export.h"
#include "tools/eval_model.h"
#include "tools/guarded_program.h"
#include "tools/progress_bar.h"
#include "tools/quantize_calibration.h"
#include "tools/quantize_options.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr const char* kProgram = "gemma-quantize";

Result<void> write_report(const std::string& path, const std::string& json) {
  std::ofstream file(path, std::ios::binary);
  file << json;
  file.close();
  if (file) return {};
  return fail(ErrorCode::kIo, path, "cannot write the report");
}

Result<void> run(const QuantizeFlags& flags) {
  if (flags.out.empty())
    return fail(ErrorCode::kUsage, "--out", "expected the folder to make, found nothing");
  Result<std::string> name = model_or_shipped(flags.model);
  if (!name) return fail(std::move(name.error()));
  ModelOptions options;
  options.weights = false;
  options.threads = flags.threads;
  options.scheme = flags.scheme.value_or("");  // a synthetic model is made for it
  Result<std::unique_ptr<Model>> model = Model::load(*name, options);
  if (!model) return fail(std::move(model.error()));
  std::string word = flags.scheme.value_or("");
  if (!flags.scheme) {
    std::string reason;
    Result<std::string> fitting = (*model)->fitting_scheme(reason);
    if (!fitting) return fail(std::move(fitting.error()));
    word = std::move(*fitting);
    write_text(kStderr, fmt::format("scheme {}: {}\n", word, reason));
  }
  Result<Scheme> scheme = parse_scheme(word);
  if (!scheme) return fail(std::move(scheme.error()));

  if (flags.off_grid && flags.to == "gguf") {
    return fail(ErrorCode::kUsage, "--off-grid", "a GGUF file is always rounded as ggml does",
                "leave it out, or write --to packed or bf16");
  }

  catch_interrupt();
  std::optional<Calibration> calibration;
  std::optional<ExtendedSource> calibrated;
  if (flags.calibrate) {
    Result<Calibration> found = calibrate_on_text(flags, *name, *scheme);
    if (!found) return fail(std::move(found.error()));
    write_text(kStderr, calibration_text(*found));
    calibration.emplace(std::move(*found));
    calibrated.emplace((*model)->source(), std::move(calibration->tensors));
  }
  ProgressBar bar;
  const auto start = std::chrono::steady_clock::now();
  PackOptions pack;
  pack.errors = flags.errors;
  if (flags.off_grid) {
    pack.off_grid = *flags.off_grid == "textbook" ? OffGrid::kTextbook : OffGrid::kLeastError;
  }
  pack.source_name = *name;
  pack.source = calibrated ? &*calibrated : nullptr;
  pack.interrupted = [] { return interrupted(); };
  // The rate is that of bfloat16 read: what a checkpoint has.
  pack.progress = [&](uint64_t done, uint64_t total) {
    if (flags.quiet) return;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const auto rate = static_cast<uint64_t>(2 * static_cast<double>(done) / std::max(seconds.count(), 1e-3));
    bar.show(done, total, format_bytes(rate) + "/s of bf16");
  };
  if (flags.to == "gguf" && carries_static_scales(calibrated ? *calibrated : (*model)->source())) {
    write_text(kStderr,
               "warning: a GGUF file has no place for static activation scales: the model's stay behind\n");
  }
  const ExportFormat format = flags.to == "bf16"   ? ExportFormat::kBf16
                              : flags.to == "gguf" ? ExportFormat::kGguf
                                                   : ExportFormat::kPacked;
  Result<PackedReport> report = export_model(**model, *scheme, format, flags.out, pack);
  bar.clear();
  if (!report) return fail(std::move(report.error()));

  const std::string json = packed_report_json(*report, *name, *scheme, calibration ? &*calibration : nullptr);
  if (flags.report) {
    Result<void> written = write_report(*flags.report, json);
    if (!written) return written;
  }
  Result<bool> printed = write_text(kStdout, flags.json ? json : packed_report_text(*report));
  if (!printed) return fail(std::move(printed.error()));
  return {};
}

}  // namespace
}  // namespace gemma

int main(int argc, char** argv) {
  using namespace gemma;
  return guarded_program(kProgram, argv, [&] {
    QuantizeFlags flags;
    Options options = quantize_options(flags);
    if (std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
    const Result<void> outcome = run(flags);
    return outcome ? ExitCode::kOk : report(kProgram, outcome.error());
  });
}
