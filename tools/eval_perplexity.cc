#include "tools/eval_perplexity.h"

#include <chrono>

#include <fmt/format.h>

#include "engine/evaluation/window_scorer.h"
#include "tools/measured_output.h"
#include "tools/progress_bar.h"
#include "tools/run_record.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr std::string_view kProgram = "gemma-eval perplexity";
constexpr double kSaveSeconds = 5;

}  // namespace

Result<PerplexityReport> measure_perplexity(
    const PerplexityRequest& request,
    const std::function<bool(const EvaluationPlan&, const PerplexityState&)>& step) {
  using Clock = std::chrono::steady_clock;
  // Whatever the command line can have wrong is found before weights are loaded.
  Result<PerplexityOptions> options = perplexity_options(request.windows, request.text);
  if (!options) return fail(std::move(options.error()));
  if (Result<void> good = check_options(*options); !good) return fail(std::move(good.error()));
  Result<std::optional<kernels::KvType>> kv_type = kv_type_of(request.compute.kv_type);
  if (!kv_type) return fail(std::move(kv_type.error()));
  Result<EvaluationText> text = read_evaluation_text(request.text);
  if (!text) return fail(std::move(text.error()));
  Result<std::unique_ptr<Model>> model = load_model(request.model, request.scheme, request.compute);
  if (!model) return fail(std::move(model.error()));
  Result<EvaluationPlan> plan = evaluation_plan(**model, *text, request.windows, request.text);
  if (!plan) return fail(std::move(plan.error()));
  SessionOptions session_options = window_session_options(*plan, *kv_type);
  session_options.chunk = request.compute.chunk;
  Result<Session> session = Session::create(**model, session_options);
  if (!session) return fail(std::move(session.error()));

  PerplexityReport report;
  const std::string identity = perplexity_identity(*session, *plan);
  if (!request.resume.empty()) {
    Result<PerplexityState> saved = load_state(request.resume, identity);
    if (!saved) return fail(std::move(saved.error()));
    report.state = *saved;
  }
  Result<void> written;
  Clock::time_point last_saved = Clock::now();
  const auto after_window = [&](const PerplexityState& state) {
    if (!request.resume.empty() &&
        std::chrono::duration<double>(Clock::now() - last_saved).count() > kSaveSeconds) {
      written = save_state(request.resume, identity, state);
      last_saved = Clock::now();
    }
    return written.has_value() && step(*plan, state);
  };
  Result<void> ran = run_perplexity(*session, *plan, report.state, after_window);
  if (ran && written && !request.resume.empty()) written = save_state(request.resume, identity, report.state);
  if (!ran) return fail(std::move(ran.error()));
  if (!written) return fail(std::move(written.error()));

  report.model = (*model)->name();
  report.scheme = to_string((*model)->scheme());
  report.scheme_reason = (*model)->scheme_reason();
  report.kernels = kernels::to_string((*model)->kernels().isa);
  report.kv_type = kernels::to_string(*session->options().kv_type);
  report.threads = (*model)->team().size();
  report.text_path = request.text.file;
  report.tokenizer_hash = (*model)->tokenizer()->fingerprint();
  report.load_seconds = (*model)->load_seconds();
  report.plan = std::move(*plan);
  report.result = summarize(report.plan, report.state);
  report.complete = report.state.windows == report.plan.windows.size();
  return report;
}

ExitCode eval_perplexity(int argc, const char* const* argv) {
  PerplexityRequest request;
  Options options(
      std::string(kProgram),
      "Measures how well a model predicts a text, by any of the definitions of perplexity in use.");
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
               .default_text = "what fits the checkpoint",
               .help = "how to compute: f32, bf16, int8, int4, fake:w4g32, ..."});
  add_text_options(options, request.text);
  add_window_options(options, request.windows);
  options.group("Run");
  options.add(
      {.name = "resume",
       .target = &request.resume,
       .value = "FILE",
       .help = "keep the state of the measurement in FILE and go on from what it holds; Ctrl-C then loses "
               "nothing. A file of another model, text or definition is refused"});
  options.add({.name = "json", .target = &request.json, .help = "print the result as JSON"});
  add_html_option(options, request.html);
  add_compute_options(options, request.compute);
  options.epilogue(
      "Examples:\n"
      "  gemma-eval perplexity --text story.txt\n"
      "  gemma-eval perplexity -m google/gemma-4-E2B --text wiki.test.raw --format wikitext-rows -d hf-doc\n"
      "  gemma-eval perplexity --text test.jsonl --limit 1000 -d tutorial -L 512 -S 256 --resume run.json");
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  if (const std::optional<ExitCode> done = handle_kernel_list(kProgram, request.compute.kernels))
    return *done;

  catch_interrupt();
  ProgressBar bar;
  const auto step = [&](const EvaluationPlan& plan, const PerplexityState& state) {
    const double rate = state.seconds > 0 ? static_cast<double>(state.inputs) / state.seconds : 0;
    bar.show(state.windows, plan.windows.size(),
             fmt::format("{:.0f} tokens/s, perplexity {:.4f}", rate, summarize(plan, state).perplexity));
    return !interrupted();
  };
  const Result<PerplexityReport> done = measure_perplexity(request, step);
  bar.clear();
  if (!done) return report(kProgram, done.error());
  if (!done->complete) {
    return report(kProgram, Error{ErrorCode::kResource,
                                  {},
                                  fmt::format("interrupted after {} of {} windows", done->state.windows,
                                              done->plan.windows.size()),
                                  request.resume.empty() ? "--resume FILE would have kept them"
                                                         : "the same command goes on from there"});
  }
  nlohmann::ordered_json document = perplexity_json(*done);
  add_run_record(document, kProgram, argc, argv);
  return print_measured(kProgram, {std::move(document), perplexity_text(*done), request.json, request.html});
}

}  // namespace gemma
