#include "tools/bench_options.h"

#include <charconv>

#include <fmt/format.h>

#include "engine/thread_team.h"
#include "tools/eval_model.h"
#include "tools/kv_type_option.h"
#include "tools/measured_output.h"
#include "tools/mmap_option.h"

namespace gemma {
namespace {

constexpr size_t kMostTokens = size_t{1} << 24;
constexpr size_t kMostThreads = 1024;
constexpr size_t kMostCells = 10'000;

template <typename T>
std::vector<T> or_else(std::vector<T> list, T otherwise) {
  if (list.empty()) list.push_back(std::move(otherwise));
  return list;
}

}  // namespace

Options bench_options(BenchFlags& flags) {
  Options options("gemma-bench",
                  "Measures speed, memory and energy of Gemma 4 models on this CPU, over a grid of settings. "
                  "\"gemma-bench compare A.json B.json\" tells whether two measurements differ; "
                  "\"gemma-bench alternate\" runs two programs in turns.");
  options.group("Grid (lists; every combination is run)");
  options.add({.name = "model",
               .letter = 'm',
               .target = &flags.models,
               .value = "MODEL",
               .default_text = "the shipped model",
               .help = "a folder, a hub id in the local cache, or synthetic:SIZE; may be repeated"});
  options.add({.name = "scheme",
               .target = &flags.schemes,
               .value = "SCHEME",
               .default_text = "what fits the file",
               .help = "how weights are kept and multiplied: f32, bf16, int8, int4, ...; may be repeated"});
  options.add({.name = "threads",
               .letter = 't',
               .target = &flags.threads,
               .value = "N,...",
               .default_text = "the physical cores",
               .help = "threads that compute"});
  options.add({.name = "prompt-tokens",
               .letter = 'p',
               .target = &flags.prompts,
               .value = "N,...",
               .default_text = "128",
               .help = "length of the prompt"});
  options.add({.name = "new-tokens",
               .letter = 'n',
               .target = &flags.new_tokens,
               .value = "N,...",
               .default_text = "32",
               .help = "tokens to generate, the first one from the prompt included"});
  options.add({.name = "depth",
               .letter = 'd',
               .target = &flags.depths,
               .value = "N,...",
               .default_text = "0",
               .help = "tokens that are in the cache before the prompt comes"});

  options.group("Runs");
  options.add({.name = "warmup",
               .target = &flags.warmup,
               .range = {.min = 0, .max = 1'000'000},
               .unit = "runs",
               .help = "runs of each cell that are not recorded"});
  options.add({.name = "runs",
               .letter = 'r',
               .target = &flags.runs,
               .range = {.min = 1, .max = 1'000'000},
               .unit = "runs",
               .help = "runs of each cell that are recorded, at most"});
  options.add(
      {.name = "time-budget",
       .target = &flags.time_budget,
       .range = {.min = 0, .above_min = true},
       .value = "SECONDS",
       .default_text = "none",
       .help = "stop recording a cell after so many seconds of recorded runs; two runs are made always"});
  options.add(
      {.name = "abba",
       .target = &flags.abba,
       .help = "load all models and schemes at once and let them take turns (A B, B A, ...), then compare "
               "the second with the first"});
  options.add({.name = "cold-load",
               .target = &flags.cold_load,
               .help = "load once more with the model's files dropped from the page cache"});

  options.group("Computation");
  options.add({.name = "chunk",
               .target = &flags.chunk,
               .range = {.min = 1, .max = 4096},
               .unit = "tokens",
               .help = "tokens computed at once in a prompt"});
  options.add({.name = "all-layers",
               .target = &flags.all_layers,
               .help = "compute every layer for every token of the prompt, as other engines do, though only "
                       "the last token's logits are wanted"});
  add_kv_type_option(options, &flags.kv_type);
  add_mmap_option(options, flags.mmap);
  add_kernel_options(options, flags.kernels);

  options.group("Report");
  options.add({.name = "format",
               .target = &flags.format,
               .words = {"table", "markdown", "csv", "json"},
               .value = "FORMAT",
               .help = "json holds everything, every sample included"});
  options.add({.name = "out",
               .letter = 'o',
               .target = &flags.out,
               .value = "FILE",
               .default_text = "standard output",
               .help = "where the report goes"});
  add_html_option(options, flags.html);
  options.add(
      {.name = "machine", .target = &flags.machine, .help = "tell of the machine and its limits only"});
  options.add({.name = "limits",
               .target = &flags.limits,
               .help = "measure what the machine can do at most: read bandwidth, multiply-adds"});
  return options;
}

Result<std::vector<size_t>> parse_counts(const std::vector<std::string>& lists, const std::string& option,
                                         size_t least, size_t most) {
  std::vector<size_t> counts;
  for (const std::string& list : lists) {
    for (size_t begin = 0; begin <= list.size();) {
      const size_t end = std::min(list.find(',', begin), list.size());
      size_t count = 0;
      const char* const first = list.data() + begin;
      const char* const last = list.data() + end;
      const auto [stop, error] = std::from_chars(first, last, count);
      if (error != std::errc() || stop != last || count < least || count > most) {
        return fail(ErrorCode::kUsage, "--" + option,
                    fmt::format("expected whole numbers from {} to {} with commas between them, found \"{}\"",
                                least, most, list));
      }
      counts.push_back(count);
      begin = end + 1;
    }
  }
  return counts;
}

Result<BenchGrid> bench_grid(const BenchFlags& flags) {
  Result<std::vector<size_t>> threads = parse_counts(flags.threads, "threads", 1, kMostThreads);
  Result<std::vector<size_t>> prompts = parse_counts(flags.prompts, "prompt-tokens", 1, kMostTokens);
  Result<std::vector<size_t>> news = parse_counts(flags.new_tokens, "new-tokens", 1, kMostTokens);
  Result<std::vector<size_t>> depths = parse_counts(flags.depths, "depth", 0, kMostTokens);
  for (Result<std::vector<size_t>>* list : {&threads, &prompts, &news, &depths}) {
    if (!*list) return fail(std::move(list->error()));
  }
  BenchGrid grid;
  std::vector<std::string> models = flags.models;
  if (models.empty()) {
    Result<std::string> shipped = model_or_shipped("");
    if (!shipped) return fail(std::move(shipped.error()));
    models.push_back(std::move(*shipped));
  }
  for (const std::string& model : models) {
    for (const std::string& scheme : or_else<std::string>(flags.schemes, "")) {
      for (const size_t count : or_else<size_t>(*threads, physical_cores())) {
        grid.variants.push_back({model, scheme, count});
      }
    }
  }
  constexpr size_t kPrompt = 128, kNew = 32;
  for (const size_t prompt : or_else<size_t>(*prompts, kPrompt)) {
    for (const size_t n : or_else<size_t>(*news, kNew)) {
      for (const size_t depth : or_else<size_t>(*depths, 0)) {
        grid.shapes.push_back({prompt, n, depth, flags.all_layers});
      }
    }
  }
  if (grid.variants.size() * grid.shapes.size() > kMostCells) {
    return fail(ErrorCode::kUsage, "grid",
                fmt::format("{} cells, at most {}", grid.variants.size() * grid.shapes.size(), kMostCells));
  }
  grid.settings = {flags.warmup, flags.runs, flags.time_budget.value_or(0), flags.abba};
  grid.chunk = flags.chunk;
  grid.cold_load = flags.cold_load;
  ModelOptions model;
  if (Result<void> chosen = choose_kernels(flags.kernels, model); !chosen) return fail(chosen.error());
  grid.placement = placement_of(flags.mmap);
  grid.limits = flags.limits;
  grid.isa = model.isa;
  grid.kernels = std::move(model.kernels);
  if (flags.kv_type) grid.kv_type = kernels::parse_kv_type(*flags.kv_type);
  return grid;
}

}  // namespace gemma
