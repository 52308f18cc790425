// The whole engine on a packed checkpoint, on all physical cores: loading, the first token, prefill by
// length, decoding by depth. The model is packed as int4 into a folder of its own, as a user would; it is
// synthetic:tiny (no time is spent on arithmetic: what is left is the engine's own) unless --model says
// otherwise. Distributions, peaks of memory, energy and comparisons are gemma-bench's.
//
//   gemma-benchmarks --model=synthetic:e2b --benchmark_filter='^(load|first_token|prefill|decode)/'
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "benchmarks/benchmark_list.h"
#include "benchmarks/machine_share.h"
#include "engine/decode_traffic.h"
#include "engine/model_export.h"
#include "engine/session.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

// The packed folder and the model in it, as long as the program runs.
class PackedModel {
 public:
  explicit PackedModel(const std::string& name)
      : folder_(fs::temp_directory_path() / fmt::format("gemma-end-to-end-{}", getpid())) {
    const Result<void> made = make(name);
    if (!made) problem_ = made.error().message();
  }
  PackedModel(const PackedModel&) = delete;
  PackedModel& operator=(const PackedModel&) = delete;
  ~PackedModel() {
    model_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  const std::string& problem() const { return problem_; }  // empty: there is none
  const Model& model() const { return *model_; }
  Result<std::unique_ptr<Model>> load() const { return Model::load(folder_.string(), {}); }

 private:
  Result<void> make(const std::string& name) {
    ModelOptions options;
    options.weights = false;
    Result<std::unique_ptr<Model>> source = Model::load(name, options);
    if (!source) return fail(std::move(source.error()));
    Result<Scheme> scheme = parse_scheme("int4");
    if (!scheme) return fail(std::move(scheme.error()));
    PackOptions pack;
    pack.errors = false;
    Result<PackedReport> packed =
        export_model(**source, *scheme, ExportFormat::kPacked, folder_.string(), pack);
    if (!packed) return fail(std::move(packed.error()));
    Result<std::unique_ptr<Model>> loaded = load();
    if (!loaded) return fail(std::move(loaded.error()));
    model_ = std::move(*loaded);
    return {};
  }

  fs::path folder_;
  std::string problem_;
  std::unique_ptr<Model> model_;
};

const PackedModel& packed_model(const std::string& name) {
  static const PackedModel packed(name);
  return packed;
}

// Ids spread over the vocabulary.
std::vector<int32_t> spread_ids(size_t n, size_t vocab) {
  std::vector<int32_t> ids(n);
  for (size_t i = 0; i < n; ++i) ids[i] = static_cast<int32_t>(i * 2654435761u % vocab);
  return ids;
}

// A session for n positions, or nothing and the benchmark skipped with the reason.
std::optional<Session> session_for(benchmark::State& state, const PackedModel& packed, size_t n) {
  if (!packed.problem().empty()) {
    state.SkipWithError(packed.problem().c_str());
    return {};
  }
  SessionOptions options;
  options.context = n;
  Result<Session> session = Session::create(packed.model(), options);
  if (session) return std::move(*session);
  state.SkipWithError(session.error().message().c_str());
  return {};
}

void load(benchmark::State& state, const PackedModel& packed) {
  if (!packed.problem().empty()) return state.SkipWithError(packed.problem().c_str());
  for ([[maybe_unused]] auto _ : state) {
    const Result<std::unique_ptr<Model>> model = packed.load();
    if (!model) return state.SkipWithError(model.error().message().c_str());
  }
}

// What a program takes from its start to the logits that the first token is picked from: loading is in it.
void first_token(benchmark::State& state, const PackedModel& packed, size_t tokens) {
  if (!session_for(state, packed, tokens)) return;
  const std::vector<int32_t> ids = spread_ids(tokens, packed.model().config().vocab_size);
  for ([[maybe_unused]] auto _ : state) {
    const Result<std::unique_ptr<Model>> model = packed.load();
    if (!model) return state.SkipWithError(model.error().message().c_str());
    Result<Session> session = Session::create(**model, {});
    if (!session) return state.SkipWithError(session.error().message().c_str());
    if (!session->extend(ids)) return state.SkipWithError("the prompt cannot be computed");
  }
}

void prefill(benchmark::State& state, const PackedModel& packed, size_t tokens) {
  std::optional<Session> session = session_for(state, packed, tokens);
  if (!session) return;
  const std::vector<int32_t> ids = spread_ids(tokens, packed.model().config().vocab_size);
  for ([[maybe_unused]] auto _ : state) {
    session->reset();
    if (!session->extend(ids)) return state.SkipWithError("the prompt cannot be computed");
  }
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(tokens), benchmark::Counter::kIsIterationInvariantRate);
}

void decode(benchmark::State& state, const PackedModel& packed, size_t depth) {
  std::optional<Session> session = session_for(state, packed, depth + 1);
  if (!session) return;
  const Model& model = packed.model();
  const std::vector<int32_t> ids = spread_ids(depth + 1, model.config().vocab_size);
  if (!session->prefill(std::span(ids).first(depth)))
    return state.SkipWithError("the prompt cannot be computed");
  for ([[maybe_unused]] auto _ : state) {
    if (!session->decode(ids[depth])) return state.SkipWithError("a token cannot be computed");
    if (!session->rollback(depth)) return state.SkipWithError("a token cannot be taken back");
  }
  state.counters["tokens/s"] = benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate);
  const Result<std::vector<PlannedWeight>> weights =
      plan_weights(model.config(), model.scheme(), model.source(), model.placement(), model.kernels());
  if (!weights) return state.SkipWithError(weights.error().message().c_str());
  const uint64_t bytes = weight_bytes_per_token(model.config(), *weights) +
                         kv_bytes_per_token(model.config(), *session->options().kv_type, depth);
  Work work;
  work.bytes = static_cast<double>(bytes);
  work.threads = model.team().size();
  set_rates(state, work);
}

void list(const BenchmarkSettings& settings) {
  // Longer ones than the model has positions are skipped with that reason.
  const auto add = [&](const std::string& name, size_t positions, auto run) {
    add_benchmark(
        settings, positions <= 4096 ? Extent::kAlways : Extent::kFull, name,
        [=, model = settings.model](benchmark::State& state) { run(state, packed_model(model)); }, true);
  };
  add("load", 0, load);
  add("first_token/prompt:128", 128,
      [](benchmark::State& state, const PackedModel& packed) { first_token(state, packed, 128); });
  for (const size_t tokens : {32, 128, 256, 512, 1024, 2048, 4096}) {
    add(fmt::format("prefill/tokens:{}", tokens), tokens,
        [tokens](benchmark::State& state, const PackedModel& packed) { prefill(state, packed, tokens); });
  }
  for (const size_t depth : {0, 512, 2048, 4095, 8192, 16384, 32768}) {
    add(fmt::format("decode/depth:{}", depth), depth + 1,
        [depth](benchmark::State& state, const PackedModel& packed) { decode(state, packed, depth); });
  }
}
const ListBenchmarks kListed(list);

}  // namespace
}  // namespace gemma
