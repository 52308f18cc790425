#include "tools/eval_layers.h"

#include <array>
#include <cmath>

#include <fmt/format.h>

#include "engine/evaluation/window_scorer.h"
#include "tools/eval_compare.h"
#include "tools/eval_model.h"
#include "tools/measured_output.h"
#include "tools/progress_bar.h"
#include "tools/run_record.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kProgram = "gemma-eval layers";
constexpr int kSchema = 1;
constexpr double kMega = 1e6;

// The scheme that defines what another one computes in integers: "int4,head=int8" ->
// "fake:int4,head=fake:int8". Parts that quantize nothing, or are fakes already, stay.
std::string fake_of(const std::string& scheme) {
  std::string out;
  for (std::string_view left = scheme; !left.empty();) {
    const size_t comma = std::min(left.find(','), left.size());
    const std::string_view part = left.substr(0, comma);
    left.remove_prefix(std::min(comma + 1, left.size()));
    const size_t value = part.find('=') == part.npos ? 0 : part.find('=') + 1;
    const std::string_view word = part.substr(value);
    const bool plain = word == "f32" || word == "bf16" || word.starts_with("fake:");
    out += fmt::format("{}{}{}{}", out.empty() ? "" : ",", part.substr(0, value), plain ? "" : "fake:", word);
  }
  return out;
}

// Text, windows and types, checked before weights are loaded.
struct Prepared {
  EvaluationText text;
  std::optional<kernels::KvType> kv_type;
};

Result<Prepared> prepare(const LayersRequest& request) {
  Result<PerplexityOptions> options = perplexity_options(request.windows, request.text);
  if (!options) return fail(std::move(options.error()));
  if (Result<void> good = check_options(*options); !good) return fail(std::move(good.error()));
  for (const std::string& scheme : {request.scheme, request.base}) {
    if (scheme.empty()) continue;
    if (Result<Scheme> parsed = parse_scheme(scheme); !parsed) return fail(std::move(parsed.error()));
  }
  Result<std::optional<kernels::KvType>> kv_type = kv_type_of(request.compute.kv_type);
  if (!kv_type) return fail(std::move(kv_type.error()));
  Result<EvaluationText> text = read_evaluation_text(request.text);
  if (!text) return fail(std::move(text.error()));
  // One type for both: what differs is then the arithmetic, not the cache.
  return Prepared{std::move(*text), kv_type->value_or(kernels::KvType::kF32)};
}

Result<Session> make_session(const Model& model, const EvaluationPlan& plan, const Prepared& prepared,
                             const LayersRequest& request) {
  SessionOptions options = window_session_options(plan, prepared.kv_type);
  options.chunk = request.compute.chunk;
  return Session::create(model, options);
}

Result<void> run_layers(const LayersRequest& request, const Prepared& prepared, const LayersStep& step,
                        LayersReport& report) {
  Result<std::unique_ptr<Model>> candidate = load_model(request.model, request.scheme, request.compute);
  if (!candidate) return fail(std::move(candidate.error()));
  report.scheme = to_string((*candidate)->scheme());
  report.base = request.base.empty() ? fake_of(report.scheme) : request.base;
  if (request.base.empty() && report.base == report.scheme) report.base = "f32";
  Result<std::unique_ptr<Model>> base = load_model(request.model, report.base, request.compute);
  if (!base) return fail(std::move(base.error()));
  report.base = to_string((*base)->scheme());
  report.model = (*candidate)->name();
  Result<EvaluationPlan> plan = evaluation_plan(**candidate, prepared.text, request.windows, request.text);
  if (!plan) return fail(std::move(plan.error()));
  report.plan = std::move(*plan);
  Result<Session> first = make_session(**base, report.plan, prepared, request);
  if (!first) return fail(std::move(first.error()));
  Result<Session> second = make_session(**candidate, report.plan, prepared, request);
  if (!second) return fail(std::move(second.error()));
  report.base_kv_type = kernels::to_string(*first->options().kv_type);
  report.kv_type = kernels::to_string(*second->options().kv_type);
  Result<void> ran =
      compare_layers(*first, *second, report.plan, report.comparison, [&](const LayerComparison& state) {
        return step(state.windows, report.plan.windows.size(),
                    fmt::format("KLD {:.6f}", state.divergence.average()));
      });
  if (!ran) return ran;
  report.first_beyond = first_beyond(report.comparison, request.tolerance);
  return {};
}

// Each class or layer alone. The base stays; the trials are loaded one after the other, so that two models
// fit.
Result<void> run_sensitivity(const LayersRequest& request, const Prepared& prepared, const LayersStep& step,
                             LayersReport& report) {
  const std::string base_scheme = request.base.empty() ? "f32" : request.base;
  Result<std::unique_ptr<Model>> opened = open_model(request.model, /*tokenizer=*/false);
  if (!opened) return fail(std::move(opened.error()));
  report.groups = request.groups.value_or(std::string(kClasses));
  const auto make_trials = report.groups == kLayers ? layer_trials : class_trials;
  Result<std::vector<SensitivityTrial>> trials =
      make_trials((*opened)->config(), base_scheme, request.scheme.empty() ? "int4" : request.scheme);
  if (!trials) return fail(std::move(trials.error()));
  Result<std::unique_ptr<Model>> base = load_model(request.model, base_scheme, request.compute);
  if (!base) return fail(std::move(base.error()));
  report.model = (*base)->name();
  report.base = base_scheme;
  report.scheme = trials->back().scheme;
  Result<EvaluationPlan> plan = evaluation_plan(**base, prepared.text, request.windows, request.text);
  if (!plan) return fail(std::move(plan.error()));
  report.plan = std::move(*plan);
  Result<Session> first = make_session(**base, report.plan, prepared, request);
  if (!first) return fail(std::move(first.error()));
  report.base_kv_type = report.kv_type = kernels::to_string(*first->options().kv_type);
  const uint64_t windows = report.plan.windows.size();
  bool going_on = true;
  for (size_t t = 0; t < trials->size() && going_on; ++t) {
    const SensitivityTrial& trial = (*trials)[t];
    Result<std::unique_ptr<Model>> model = load_model(request.model, trial.scheme, request.compute);
    if (!model) return fail(std::move(model.error()));
    Result<Session> second = make_session(**model, report.plan, prepared, request);
    if (!second) return fail(std::move(second.error()));
    const std::array<Session*, 2> sessions = {&*first, &*second};
    Comparison comparison(1);
    Result<void> ran = compare_models(sessions, report.plan, comparison, [&](const Comparison& state) {
      going_on = step(t * windows + state.windows, trials->size() * windows,
                      fmt::format("{}: KLD {:.6f}", trial.name, state.pairs[0].divergence.average()));
      return going_on;
    });
    if (!ran) return ran;
    report.trials.push_back(trial);
    report.costs.push_back(summarize(comparison, 0));
  }
  return {};
}

std::string head_text(const LayersReport& report) {
  const EvaluationPlan& plan = report.plan;
  return fmt::format("{}: {} against {}, KV cache {}\n{} windows of {} tokens, text {}, hash {:016x}\n\n",
                     report.model, report.scheme, report.base, report.kv_type, plan.windows.size(),
                     plan.options.max_length, report.text_path, plan.text_hash);
}

Json difference_json(const VectorDifference& d) {
  const double snr = d.snr_db();
  return {{"max_abs", d.max_abs},
          {"relative_l2", d.relative_l2()},
          {"cosine", d.cosine()},
          {"snr_db", std::isfinite(snr) ? Json(snr) : Json()}};
}

}  // namespace

Result<LayersReport> measure_layers(const LayersRequest& request, const LayersStep& step) {
  Result<Prepared> prepared = prepare(request);
  if (!prepared) return fail(std::move(prepared.error()));
  LayersReport report;
  report.text_path = request.text.file;
  report.tolerance = request.tolerance;
  Result<void> ran = request.sensitivity ? run_sensitivity(request, *prepared, step, report)
                                         : run_layers(request, *prepared, step, report);
  if (!ran) return fail(std::move(ran.error()));
  return report;
}

std::string layers_text(const LayersReport& report) {
  std::string text = head_text(report);
  if (!report.trials.empty()) {
    text +=
        fmt::format("{:<10} {:>10}  {:>23}  {:>21}  {:>9}\n", report.groups == kLayers ? "layer" : "class",
                    "weights", "KLD from base (nats)", "perplexity ratio", "same top");
    for (size_t i = 0; i < report.trials.size(); ++i) {
      const PairResult& cost = report.costs[i];
      text += fmt::format("{:<10} {:>8.2f} M  {:>12.7f} ± {:.6f}  {:>10.5f} ± {:.5f}  {:>7.3f} %\n",
                          report.trials[i].name, static_cast<double>(report.trials[i].elements) / kMega,
                          cost.divergence, cost.divergence_error, cost.ratio, cost.ratio_error,
                          100 * cost.same_top);
    }
    return text;
  }
  text += fmt::format("{:<8} {:>12} {:>12} {:>12} {:>9}\n", "layer", "max |diff|", "relative L2", "cosine",
                      "SNR dB");
  const auto line = [&](const std::string& name, const VectorDifference& d) {
    text += fmt::format("{:<8} {:>12.4e} {:>12.4e} {:>12.9f} {:>9.2f}\n", name, d.max_abs, d.relative_l2(),
                        d.cosine(), d.snr_db());
  };
  for (size_t i = 0; i < report.comparison.layers.size(); ++i) {
    line(fmt::format("{}", i), report.comparison.layers[i]);
  }
  line("logits", report.comparison.logits);
  const Moments& divergence = report.comparison.divergence;
  text += fmt::format("\ndivergence {:.7f} ± {:.7f} nats over {} tokens\n", divergence.average(),
                      divergence.standard_error(), divergence.count);
  text += report.first_beyond ? fmt::format("first layer beyond a relative L2 of {:g}: {}\n",
                                            report.tolerance, *report.first_beyond)
                              : fmt::format("no layer is beyond a relative L2 of {:g}\n", report.tolerance);
  return text;
}

Json layers_json(const LayersReport& report) {
  const EvaluationPlan& plan = report.plan;
  Json json = {{"schema", kSchema},
               {"kind", report.trials.empty() ? "layers" : "sensitivity"},
               {"model", report.model},
               {"base", report.base},
               {"scheme", report.scheme},
               {"kv_type", report.kv_type},
               {"definition", to_string(plan.options.definition)},
               {"max_length", plan.options.max_length},
               {"windows", plan.windows.size()},
               {"text", {{"path", report.text_path}, {"hash", fmt::format("{:016x}", plan.text_hash)}}},
               {"token_hash", fmt::format("{:016x}", plan.token_hash)}};
  if (!report.trials.empty()) {
    json["groups"] = report.groups;
    json["classes"] = Json::array();
    for (size_t i = 0; i < report.trials.size(); ++i) {
      const std::optional<size_t>& layer = report.trials[i].layer;
      json["classes"].push_back({{"class", report.trials[i].name},
                                 {"layer", layer ? Json(*layer) : Json()},
                                 {"scheme", report.trials[i].scheme},
                                 {"weights", report.trials[i].elements},
                                 {"against_base", pair_json(report.costs[i])}});
    }
    return json;
  }
  json["positions"] = report.comparison.positions;
  json["layers"] = Json::array();
  for (const VectorDifference& layer : report.comparison.layers)
    json["layers"].push_back(difference_json(layer));
  json["logits"] = difference_json(report.comparison.logits);
  json["kl_divergence"] = {{"mean", report.comparison.divergence.average()},
                           {"standard_error", report.comparison.divergence.standard_error()}};
  json["tolerance"] = report.tolerance;
  json["first_beyond"] = report.first_beyond ? Json(*report.first_beyond) : Json();
  return json;
}

ExitCode eval_layers(int argc, const char* const* argv) {
  LayersRequest request;
  std::optional<double> tolerance;
  Options options(
      std::string(kProgram),
      "Compares two ways to compute a model layer by layer, or tells which class of tensors or which "
      "layer a quantization costs most.");
  options.group("Model");
  options.add({.name = "model",
               .letter = 'm',
               .target = &request.model,
               .value = "MODEL",
               .default_text = "the shipped model",
               .help = "a folder, a hub id such as google/gemma-4-E2B-it, or synthetic:SIZE"});
  options.add({.name = "scheme",
               .target = &request.scheme,
               .value = "SCHEME",
               .default_text = "what fits the checkpoint; int4 for --sensitivity",
               .help = "the way to compute that is examined"});
  options.add({.name = "base",
               .target = &request.base,
               .value = "SCHEME",
               .default_text = "the fake of --scheme, its definition in float32; f32 for --sensitivity",
               .help = "what it is compared with"});
  options.group("Run");
  options.add(
      {.name = "tolerance",
       .target = &tolerance,
       .range = {.min = 0},
       .default_text = "none",
       .help = "relative L2 difference that no layer may exceed: the first that does is named (0.001 without "
               "this option), and the exit code is then 1"});
  options.add({.name = "sensitivity",
               .target = &request.sensitivity,
               .help = "quantize each class of tensors alone, and tell what each costs"});
  options.add({.name = "groups",
               .target = &request.groups,
               .words = {std::string(kClasses), std::string(kLayers)},
               .value = "WHAT",
               .default_text = std::string(kClasses),
               .help = "with --sensitivity: what is quantized alone, each class of tensors or each layer"});
  options.add({.name = "json", .target = &request.json, .help = "print the result as JSON"});
  add_html_option(options, request.html);
  add_text_options(options, request.text);
  add_window_options(options, request.windows);
  add_compute_options(options, request.compute);
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  if (const std::optional<ExitCode> done = handle_kernel_list(kProgram, request.compute.kernels))
    return *done;
  request.tolerance = tolerance.value_or(request.tolerance);
  if (request.groups && !request.sensitivity) {
    return report(kProgram,
                  Error{ErrorCode::kUsage, "--groups", "it is for --sensitivity", "add --sensitivity"});
  }

  catch_interrupt();
  ProgressBar bar;
  const Result<LayersReport> done =
      measure_layers(request, [&](uint64_t at, uint64_t total, const std::string& note) {
        bar.show(at, total, note);
        return !interrupted();
      });
  bar.clear();
  if (!done) return report(kProgram, done.error());
  if (interrupted()) {
    return report(kProgram,
                  Error{ErrorCode::kResource, {}, "interrupted", "--windows N takes the first N only"});
  }
  nlohmann::ordered_json document = layers_json(*done);
  add_run_record(document, kProgram, argc, argv);
  const ExitCode printed =
      print_measured(kProgram, {std::move(document), layers_text(*done), request.json, request.html});
  if (printed != ExitCode::kOk || !tolerance || !done->first_beyond) return printed;
  (void)write_text(kStderr, fmt::format("{}: layer {} is beyond the tolerance of {:g}\n", kProgram,
                                        *done->first_beyond, request.tolerance));
  return ExitCode::kThreshold;
}

}  // namespace gemma
