#include "tools/quantize_calibration.h"

#include <algorithm>

#include <fmt/format.h>

#include "loader/file.h"
#include "tools/progress_bar.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr uint64_t kLargestText = uint64_t{1} << 28;

CalibrationRule rule_of(const QuantizeFlags& flags) {
  CalibrationRule rule;
  rule.percentile = flags.calibrate_percentile;
  rule.method = flags.calibrate_method == "percentile" ? CalibrationMethod::kPercentile
                : flags.calibrate_method == "mse"      ? CalibrationMethod::kMse
                                                       : CalibrationMethod::kAbsmax;
  return rule;
}

}  // namespace

Result<Calibration> calibrate_on_text(const QuantizeFlags& flags, const std::string& name,
                                      const Scheme& scheme) {
  Result<std::string> text = read_text(*flags.calibrate, kLargestText);
  if (!text) return fail(std::move(text.error()));
  ModelOptions options;
  options.threads = flags.threads;
  options.scheme = to_string(with_float_activations(scheme));
  Result<std::unique_ptr<Model>> model = Model::load(name, options);
  if (!model) return fail(std::move(model.error()));
  if ((*model)->tokenizer() == nullptr) {
    return fail(ErrorCode::kUsage, "--calibrate", "the model has no tokenizer to read the text with");
  }
  std::vector<int32_t> ids = (*model)->tokenizer()->encode(*text, SpecialTokens::kAsText);
  ids.resize(std::min<size_t>(ids.size(), flags.calibrate_tokens));
  ProgressBar bar;
  CalibrationOptions calibration;
  calibration.rule = rule_of(flags);
  calibration.outputs = flags.calibrate_outputs;
  calibration.interrupted = [] { return interrupted(); };
  calibration.progress = [&](uint64_t done, uint64_t total) {
    if (!flags.quiet) bar.show(done, total, "calibrating");
  };
  return calibrate(**model, ids, calibration);
}

std::string calibration_text(const Calibration& calibration) {
  std::string text = fmt::format("{:<44} {:>11} {:>11} {:>11} {:>11} {:>10}\n", "matrix", "lowest", "highest",
                                 "input scale", "clipped", "output");
  for (const CalibratedMatrix& matrix : calibration.matrices) {
    text += fmt::format("{:<44} {:>11.4g} {:>11.4g} {:>11.4g} {:>9.4f} % {:>10}\n", matrix.module,
                        matrix.input_lowest, matrix.input_highest, matrix.input_scale, 100 * matrix.clipped,
                        matrix.output_scale > 0 ? fmt::format("{:.4g}", matrix.output_scale) : "float");
  }
  return text + fmt::format("calibrated on {} tokens\n", calibration.tokens);
}

}  // namespace gemma
