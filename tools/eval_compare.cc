#include "tools/eval_compare.h"

#include <fmt/format.h>

#include "engine/evaluation/window_scorer.h"
#include "engine/weight_plan.h"
#include "loader/format_bytes.h"
#include "tools/measured_output.h"
#include "tools/model_choice.h"
#include "tools/progress_bar.h"
#include "tools/run_record.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr std::string_view kProgram = "gemma-eval compare";

Result<std::vector<ModelChoice>> choices(const std::vector<std::string>& words) {
  if (words.size() < 2) {
    return fail(ErrorCode::kUsage, "models",
                fmt::format("expected a base and a candidate, found {}", words.size()),
                "gemma-eval compare BASE#SCHEME CANDIDATE#SCHEME ... --text FILE");
  }
  std::vector<ModelChoice> out;
  for (const std::string& word : words) {
    Result<ModelChoice> choice = parse_model_choice(word);
    if (!choice) return fail(std::move(choice.error()));
    out.push_back(std::move(*choice));
  }
  return out;
}

using Models = std::vector<std::unique_ptr<Model>>;

// All but their weights, with schemes chosen and vocabularies compared: what can be wrong is found before
// gigabytes are read.
Result<Models> open_all(const std::vector<ModelChoice>& choices, const ComputeFlags& compute) {
  Models opened;
  std::vector<const Model*> all;
  for (const ModelChoice& choice : choices) {
    Result<std::unique_ptr<Model>> model =
        load_model(choice.model, choice.scheme, compute, /*weights=*/false);
    if (!model) return fail(std::move(model.error()));
    if (Result<void> chosen = (*model)->choose_scheme(choice.scheme); !chosen) {
      return fail(std::move(chosen.error()));
    }
    all.push_back(model->get());
    opened.push_back(std::move(*model));
  }
  if (Result<void> same = check_same_vocabulary(all); !same) return fail(std::move(same.error()));
  return opened;
}

// Whether all variants fit together, told before the first is loaded. Weights that a file holds ready do not
// count unless asked for: they are copied only as far as there is room (fitting_placement).
Result<void> check_room(const Models& models, const SessionOptions& session, const ComputeFlags& compute) {
  uint64_t total = 0;
  std::string parts;
  for (const std::unique_ptr<Model>& model : models) {
    const Placement placement = compute.mmap ? model->placement() : Placement::kMapped;
    Result<std::vector<PlannedWeight>> weights =
        plan_weights(model->config(), model->scheme(), model->source(), placement, model->kernels());
    if (!weights) return fail(std::move(weights.error()));
    Result<uint64_t> bytes = Session::plan_bytes(*model, session);
    if (!bytes) return fail(std::move(bytes.error()));
    for (const PlannedWeight& weight : *weights) *bytes += weight.owned_bytes;
    total += *bytes;
    parts += fmt::format("{}{}#{} {}", parts.empty() ? "" : ", ", model->name(), to_string(model->scheme()),
                         format_bytes(*bytes));
  }
  total += comparison_bytes(models.front()->config().vocab_size, session.context);
  Result<void> room = check_memory(total, fmt::format("{} variants side by side", models.size()));
  if (room) return {};
  Error error = std::move(room.error());
  error.hint = fmt::format("{}; compare fewer at a time, each with the same base", parts);
  return fail(std::move(error));
}

Result<double> measure_decode(Session& session, const EvaluationPlan& plan, size_t tokens) {
  std::vector<int32_t> input;
  plan.input(plan.windows.front(), input);
  input.resize(std::min(input.size(), tokens));
  return decode_rate(session, input);
}

}  // namespace

Result<CompareReport> measure_comparison(
    const CompareRequest& request,
    const std::function<bool(const EvaluationPlan&, const Comparison&)>& step) {
  Result<std::vector<ModelChoice>> chosen = choices(request.models);
  if (!chosen) return fail(std::move(chosen.error()));
  if (Result<void> good = check_thresholds(request.thresholds); !good) return fail(std::move(good.error()));
  Result<PerplexityOptions> options = perplexity_options(request.windows, request.text);
  if (!options) return fail(std::move(options.error()));
  if (Result<void> good = check_options(*options); !good) return fail(std::move(good.error()));
  Result<std::optional<kernels::KvType>> kv_type = kv_type_of(request.compute.kv_type);
  if (!kv_type) return fail(std::move(kv_type.error()));
  Result<EvaluationText> text = read_evaluation_text(request.text);
  if (!text) return fail(std::move(text.error()));
  CompareReport report;
  SessionOptions session_options;
  {
    Result<Models> opened = open_all(*chosen, request.compute);
    if (!opened) return fail(std::move(opened.error()));
    Result<EvaluationPlan> plan = evaluation_plan(*opened->front(), *text, request.windows, request.text);
    if (!plan) return fail(std::move(plan.error()));
    report.plan = std::move(*plan);
    session_options = window_session_options(report.plan, *kv_type);
    session_options.chunk = request.compute.chunk;
    if (Result<void> room = check_room(*opened, session_options, request.compute); !room)
      return fail(std::move(room.error()));
  }

  // Each load checks again that its weights fit beside those already there: others may have taken memory.
  Models models;
  for (const ModelChoice& choice : *chosen) {
    Result<std::unique_ptr<Model>> model = load_model(choice.model, choice.scheme, request.compute);
    if (!model) {
      if (model.error().code == ErrorCode::kResource && !models.empty()) {
        model.error().hint += fmt::format("{}{} models are already in memory",
                                          model.error().hint.empty() ? "" : "; ", models.size());
      }
      return fail(std::move(model.error()));
    }
    models.push_back(std::move(*model));
  }
  std::vector<Session> sessions;
  sessions.reserve(models.size());
  std::vector<Session*> all;
  for (const std::unique_ptr<Model>& model : models) {
    Result<Session> session = Session::create(*model, session_options);
    if (!session) return fail(std::move(session.error()));
    sessions.push_back(std::move(*session));
    all.push_back(&sessions.back());
  }

  Comparison comparison(models.size() - 1);
  Result<void> ran = compare_models(all, report.plan, comparison,
                                    [&](const Comparison& state) { return step(report.plan, state); });
  if (!ran) return fail(std::move(ran.error()));

  for (size_t m = 0; m < models.size(); ++m) {
    const Model& model = *models[m];
    ComparedModel one;
    one.name = model.name();
    one.scheme = to_string(model.scheme());
    one.scheme_reason = model.scheme_reason();
    one.kv_type = kernels::to_string(*sessions[m].options().kv_type);
    one.load_seconds = model.load_seconds();
    one.seconds = comparison.seconds[m];
    one.rate = one.seconds > 0 ? static_cast<double>(comparison.inputs) / one.seconds : 0;
    one.weight_bytes = model.owned_weight_bytes() + model.mapped_weight_bytes();
    one.cache_bytes = sessions[m].kv_reserved_bytes();
    one.scratch_bytes = sessions[m].scratch_bytes();
    if (request.decode_tokens > 0) {
      Result<double> rate = measure_decode(sessions[m], report.plan, request.decode_tokens);
      if (!rate) return fail(std::move(rate.error()));
      one.decode_rate = *rate;
    }
    report.models.push_back(std::move(one));
  }
  for (size_t c = 0; c < comparison.pairs.size(); ++c) {
    report.pairs.push_back(summarize(comparison, c));
    const ComparedModel& one = report.models[c + 1];
    Result<std::vector<std::string>> missed =
        missed_thresholds(request.thresholds, {fmt::format("{}#{}", one.name, one.scheme), report.pairs[c],
                                               one.rate, one.decode_rate, one.bytes()});
    if (!missed) return fail(std::move(missed.error()));
    report.missed.insert(report.missed.end(), missed->begin(), missed->end());
  }
  report.text_path = request.text.file;
  report.kernels = kernels::to_string(models.front()->kernels().isa);
  report.threads = models.front()->team().size();
  report.tokenizer_hash = models.front()->tokenizer()->fingerprint();
  report.base_loss = comparison.base_loss;
  report.windows = comparison.windows;
  return report;
}

ExitCode eval_compare(int argc, const char* const* argv) {
  CompareRequest request;
  Options options(
      std::string(kProgram),
      "Compares models, or ways to compute one, token by token over the same text: perplexity ratio, "
      "KL divergence, changed probabilities, flipped tokens, speed and memory.");
  options.positional(
      {.name = "MODEL#SCHEME",
       .target = &request.models,
       .required = true,
       .help = "the base, then one or more candidates. Without #SCHEME what fits the checkpoint, without "
               "MODEL the shipped one"});
  add_text_options(options, request.text);
  add_window_options(options, request.windows);
  add_threshold_options(options, request.thresholds);
  options.group("Run");
  options.add({.name = "decode-tokens",
               .target = &request.decode_tokens,
               .range = {.min = 0, .max = 4096},
               .unit = "tokens",
               .help = "how many to measure the speed of writing with; 0 leaves that out"});
  options.add({.name = "json", .target = &request.json, .help = "print the result as JSON"});
  add_html_option(options, request.html);
  add_compute_options(options, request.compute);
  options.epilogue(
      "Examples:\n"
      "  gemma-eval compare models/stories-full#f32 models/stories-full#int4 models/stories-qat#int4 --text "
      "test.txt\n"
      "  gemma-eval compare google/gemma-4-E2B-it#bf16 google/gemma-4-E2B-it#int4 --text chat.txt -d "
      "chat-prefix \\\n"
      "    --max-ppl-increase 2% --min-top1 0.95 --max-kld 0.05");
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  if (const std::optional<ExitCode> done = handle_kernel_list(kProgram, request.compute.kernels))
    return *done;
  if (request.thresholds.min_decode_rate && request.decode_tokens < 2) {
    return report(kProgram, Error{ErrorCode::kUsage, "--min-decode-rate",
                                  "the speed of writing is not measured", "give --decode-tokens 2 or more"});
  }

  catch_interrupt();
  ProgressBar bar;
  const auto step = [&](const EvaluationPlan& plan, const Comparison& state) {
    std::string note;
    for (size_t c = 0; c < state.pairs.size(); ++c) {
      note += fmt::format("{}KLD {:.5f}", c == 0 ? "" : " ", state.pairs[c].divergence.average());
    }
    bar.show(state.windows, plan.windows.size(), note);
    return !interrupted();
  };
  const Result<CompareReport> done = measure_comparison(request, step);
  bar.clear();
  if (!done) return report(kProgram, done.error());
  if (interrupted()) {
    return report(kProgram, Error{ErrorCode::kResource,
                                  {},
                                  fmt::format("interrupted after {} of {} windows", done->windows,
                                              done->plan.windows.size()),
                                  "--windows N compares the first N only"});
  }
  nlohmann::ordered_json document = compare_json(*done);
  add_run_record(document, kProgram, argc, argv);
  const ExitCode printed =
      print_measured(kProgram, {std::move(document), compare_text(*done), request.json, request.html});
  if (printed != ExitCode::kOk) return printed;
  for (const std::string& line : done->missed)
    (void)write_text(kStderr, fmt::format("{}: {}\n", kProgram, line));
  return done->missed.empty() ? ExitCode::kOk : ExitCode::kThreshold;
}

}  // namespace gemma
