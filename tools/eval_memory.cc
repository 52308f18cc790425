#include "tools/eval_memory.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "engine/buffer.h"
#include "tools/eval_model.h"
#include "tools/kv_type_option.h"
#include "tools/measured_output.h"
#include "tools/mmap_option.h"
#include "tools/options.h"
#include "tools/run_record.h"
#include "tools/spread_tokens.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr std::string_view kProgram = "gemma-eval memory";
constexpr int kJsonSchema = 1;

struct MemoryFlags {
  std::string model, scheme;
  std::optional<std::string> kv_type, mmap, limit, html;
  uint64_t context = 0, chunk = SessionOptions().chunk, threads = 0;
  uint64_t prompt_tokens = 32, new_tokens = 8;
  std::optional<uint64_t> tokens;
  bool forecast = false, json = false, layers = false;
};

Options memory_options(MemoryFlags& flags) {
  Options options(
      std::string(kProgram),
      "Tells where the memory of a running model is, part by part; or, with --forecast, how much a "
      "model will take, without loading it.");
  options.group("Model");
  options.add({.name = "model",
               .letter = 'm',
               .target = &flags.model,
               .value = "MODEL",
               .default_text = "the shipped model",
               .help = "a folder, a hub id in the local cache, or synthetic:SIZE"});
  options.add({.name = "scheme",
               .target = &flags.scheme,
               .value = "SCHEME",
               .default_text = "what fits the file",
               .help = "how the weights are kept: f32, bf16, int8, int4, ..."});
  add_kv_type_option(options, &flags.kv_type);
  options.add({.name = "context",
               .letter = 'c',
               .target = &flags.context,
               .range = {.min = 1, .max = 1 << 24},
               .default_text = "the model's, 4096 tokens at most",
               .help = "tokens to reserve room for"});
  options.add({.name = "chunk",
               .target = &flags.chunk,
               .range = {.min = 1, .max = 4096},
               .unit = "tokens",
               .help = "tokens computed at once in a prompt"});
  options.add({.name = "threads",
               .letter = 't',
               .target = &flags.threads,
               .range = {.min = 1, .max = 1024},
               .default_text = "the physical cores",
               .help = "threads that compute"});
  add_mmap_option(options, flags.mmap);
  options.group("What is run");
  options.add({.name = "prompt-tokens",
               .target = &flags.prompt_tokens,
               .range = {.min = 1, .max = 1 << 24},
               .unit = "tokens",
               .help = "length of the prompt"});
  options.add({.name = "new-tokens",
               .letter = 'n',
               .target = &flags.new_tokens,
               .range = {.min = 0, .max = 1 << 24},
               .unit = "tokens",
               .help = "tokens to decode"});
  options.group("Forecast");
  options.add({.name = "forecast",
               .target = &flags.forecast,
               .help = "load no weights; add up what they and a session will take"});
  options.add({.name = "tokens",
               .target = &flags.tokens,
               .range = {.min = 0, .max = 1 << 24},
               .default_text = "all of the context",
               .help = "with --forecast: positions in use"});
  options.add(
      {.name = "limit",
       .target = &flags.limit,
       .value = "SIZE",
       .default_text = "none",
       .help = "the most it may take at its peak, such as 8GB or 6GiB: says whether it fits, and the exit "
               "code is 1 if not"});
  options.group("Report");
  options.add({.name = "layers", .target = &flags.layers, .help = "a line for every layer as well"});
  options.add({.name = "json", .target = &flags.json, .help = "print one JSON object instead of text"});
  add_html_option(options, flags.html);
  return options;
}

SessionOptions session_of(const MemoryFlags& flags) {
  SessionOptions session;
  session.context = flags.context;
  session.chunk = flags.chunk;
  if (flags.kv_type) session.kv_type = kernels::parse_kv_type(*flags.kv_type);
  return session;
}

Result<MemoryRun> run(const Model& model, Session& session, const MemoryFlags& flags) {
  MemoryRun run;
  const auto phase_ends = [&](const char* name) {
    const ProcessMemory memory = process_memory();
    run.phases.push_back({name, memory.peak_resident_bytes, memory.resident_bytes});
    run.peaks_by_phase = reset_peak_resident();
  };
  phase_ends("load");
  const std::vector<int32_t> prompt = spread_tokens(flags.prompt_tokens, model.config().vocab_size);
  Result<std::span<const float>> logits = session.extend(prompt);
  if (!logits) return fail(std::move(logits.error()));
  phase_ends("prefill");
  for (size_t i = 0; i < flags.new_tokens; ++i) {
    const auto best = std::max_element(logits->begin(), logits->end());
    logits = session.decode(static_cast<int32_t>(best - logits->begin()));
    if (!logits) return fail(std::move(logits.error()));
  }
  phase_ends("decode");
  Result<MemoryReport> report = memory_report(model, &session);
  if (!report) return fail(std::move(report.error()));
  run.report = std::move(*report);
  return run;
}

uint64_t peak_of(const MemoryRun& run) {
  uint64_t peak = 0;
  for (const PhaseMemory& phase : run.phases) peak = std::max(peak, phase.peak_bytes);
  return peak;
}

std::string verdict(uint64_t peak, uint64_t limit) {
  const bool fits = peak <= limit;
  return fmt::format("{}: {} needed, {} allowed, {} {}\n", fits ? "fits" : "does not fit", format_bytes(peak),
                     format_bytes(limit), format_bytes(fits ? limit - peak : peak - limit),
                     fits ? "left" : "too much");
}

std::string run_text(const Model& model, const Session& session, const MemoryRun& run, bool layers) {
  const MemoryReport& report = run.report;
  const ProcessMemory& process = report.process;
  std::string text = fmt::format("{}, {}, context {} tokens, {} in use\n\n", model.name(),
                                 to_string(model.scheme()), session.context(), session.position());
  text += memory_table(report.lines, layers);
  text += fmt::format("  {:<26}{:>12}\n  {:<26}{:>12}  (limit {})\n", "resident set",
                      format_bytes(process.resident_bytes), "unaccounted",
                      fmt::format("{:.2f} MB", static_cast<double>(report.unaccounted_bytes) / 1e6),
                      format_bytes(unaccounted_limit(report)));
  if (!report.heap_is_open)
    text += "  the allocator of this build does not tell of its blocks: see docs/memory.md\n";
  text += fmt::format("\n  KV in use {} of {} reserved\n", format_bytes(report.kv_used_bytes),
                      format_bytes(session.kv_reserved_bytes()));
  if (report.ple_file_bytes > 0) {
    text += fmt::format(
        "  per-layer table {} in its file, read row by row (page cache, not in the resident set)\n",
        format_bytes(report.ple_file_bytes));
  }
  text += fmt::format("  RSS {} = {} anonymous + {} of files + {} shared\n",
                      format_bytes(process.resident_bytes), format_bytes(process.anonymous_bytes),
                      format_bytes(process.file_bytes), format_bytes(process.shared_bytes));
  text += fmt::format("  PSS {}, VMS {}, page tables {}\n\n", format_bytes(process.proportional_bytes),
                      format_bytes(process.virtual_bytes), format_bytes(process.page_table_bytes));
  text += fmt::format("  {:<26}{:>12}{:>12}\n", "", "peak", "at the end");
  for (const PhaseMemory& phase : run.phases) {
    text += fmt::format("  {:<26}{:>12}{:>12}\n", phase.name, format_bytes(phase.peak_bytes),
                        format_bytes(phase.resident_bytes));
  }
  if (!run.peaks_by_phase) text += "  (the kernel does not let the peak be reset: each is the peak so far)\n";
  return text;
}

nlohmann::ordered_json head_json(const Model& model, const SessionOptions& session, size_t tokens) {
  return {{"schema", kJsonSchema},          {"kind", "memory"},
          {"model", model.name()},          {"scheme", to_string(model.scheme())},
          {"threads", model.team().size()}, {"context", session.context},
          {"chunk", session.chunk},         {"tokens", tokens}};
}

// What was found, measured or forecast.
struct Found {
  nlohmann::ordered_json json;
  std::string text;
  uint64_t peak = 0;
};

Result<Found> forecast(const std::string& name, const MemoryFlags& flags) {
  ModelOptions options;
  options.weights = false;
  options.scheme = flags.scheme;
  options.threads = flags.threads;
  options.placement = placement_of(flags.mmap);
  Result<std::unique_ptr<Model>> model = Model::load(name, options);
  if (!model) return fail(std::move(model.error()));
  Result<void> chosen = (*model)->choose_scheme(flags.scheme);
  if (!chosen) return fail(std::move(chosen.error()));
  ForecastOptions asked;
  asked.session = session_of(flags);
  if (flags.tokens) {
    asked.tokens = *flags.tokens;
    asked.prompt = std::min<size_t>(flags.prompt_tokens, *flags.tokens);
  }
  Result<MemoryForecast> made = forecast_memory(**model, asked);
  if (!made) return fail(std::move(made.error()));
  std::string text = fmt::format("{}, {}, context {} tokens, {} in use: forecast\n\n", (*model)->name(),
                                 to_string((*model)->scheme()), made->session.context, made->tokens);
  text += memory_table(made->lines, flags.layers);
  text += fmt::format("  {:<26}{:>12}\n", "peak of the resident set", format_bytes(made->resident_bytes));
  if (made->ple_file_bytes > 0) {
    text += fmt::format(
        "\n  per-layer table {} in its file, read row by row (page cache, not in the resident set)\n",
        format_bytes(made->ple_file_bytes));
  }
  nlohmann::ordered_json json = head_json(**model, made->session, made->tokens);
  json["forecast"] = true;
  json["ple_file_bytes"] = made->ple_file_bytes;
  json["lines"] = memory_lines_json(made->lines);
  return Found{std::move(json), std::move(text), made->resident_bytes};
}

Result<Found> measure(const std::string& name, const MemoryFlags& flags) {
  ModelOptions options;
  options.scheme = flags.scheme;
  options.threads = flags.threads;
  options.placement = placement_of(flags.mmap);
  Result<std::unique_ptr<Model>> model = Model::load(name, options);
  if (!model) return fail(std::move(model.error()));
  Result<Session> session = Session::create(**model, session_of(flags));
  if (!session) return fail(std::move(session.error()));
  Result<MemoryRun> done = run(**model, *session, flags);
  if (!done) return fail(std::move(done.error()));
  nlohmann::ordered_json json = head_json(**model, session->options(), session->position());
  json["forecast"] = false;
  json.update(memory_json(done->report));
  for (const PhaseMemory& phase : done->phases) {
    json["phases"].push_back({{"name", phase.name},
                              {"peak_resident_bytes", phase.peak_bytes},
                              {"resident_bytes", phase.resident_bytes}});
  }
  json["peaks_by_phase"] = done->peaks_by_phase;
  return Found{std::move(json), run_text(**model, *session, *done, flags.layers), peak_of(*done)};
}

}  // namespace

Result<uint64_t> parse_bytes(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string unit(static_cast<const char*>(end), text.data() + text.size());
  std::erase(unit, ' ');
  for (char& c : unit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (!unit.empty() && unit.back() == 'B') unit.pop_back();
  const bool binary = unit.size() == 2 && unit.back() == 'I';
  if (binary) unit.pop_back();
  constexpr std::string_view kUnits = "KMGT";
  double factor = 1;
  if (unit.size() == 1 && kUnits.find(unit[0]) != kUnits.npos) {
    factor = std::pow(binary ? 1024.0 : 1000.0, static_cast<double>(kUnits.find(unit[0]) + 1));
    unit.clear();
  }
  // Above 2^63 nothing is a size, and a double that large would not convert.
  if (error != std::errc() || !unit.empty() || !(value >= 0) || value * factor > 9e18) {
    return fail(ErrorCode::kUsage, "size",
                fmt::format("expected a size such as 8GB or 512MiB, found \"{}\"", text));
  }
  return static_cast<uint64_t>(value * factor);
}

ExitCode eval_memory(int argc, const char* const* argv) {
  MemoryFlags flags;
  Options options = memory_options(flags);
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  std::optional<uint64_t> limit;
  if (flags.limit) {
    Result<uint64_t> bytes = parse_bytes(*flags.limit);
    if (!bytes) return report(kProgram, bytes.error());
    limit = *bytes;
  }
  if (flags.tokens && !flags.forecast) {
    return report(kProgram, Error{ErrorCode::kUsage, "--tokens", "belongs to --forecast",
                                  "say --prompt-tokens and --new-tokens"});
  }
  const Result<std::string> name = model_or_shipped(flags.model);
  if (!name) return report(kProgram, name.error());
  Result<Found> found = flags.forecast ? forecast(*name, flags) : measure(*name, flags);
  if (!found) return report(kProgram, found.error());
  found->json["peak_resident_bytes"] = found->peak;
  if (limit) {
    found->json["limit_bytes"] = *limit;
    found->json["fits"] = found->peak <= *limit;
    found->text += "\n" + verdict(found->peak, *limit);
  }
  add_run_record(found->json, kProgram, argc, argv);
  const ExitCode printed =
      print_measured(kProgram, {std::move(found->json), std::move(found->text), flags.json, flags.html});
  return printed == ExitCode::kOk && limit && found->peak > *limit ? ExitCode::kThreshold : printed;
}

}  // namespace gemma
