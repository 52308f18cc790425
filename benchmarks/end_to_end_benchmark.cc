// The whole engine on a packed checkpoint, on all physical cores, in int4, int8 and mobile: loading, the
// first token, prefill by length, decoding by depth. The model is packed into a folder of its own, as a user
// would, for one scheme after the other; it is synthetic:tiny (little time is spent on arithmetic: what is
// left is the engine's own) unless --model says otherwise. Only a mobile checkpoint and a synthetic one have
// the static scales of mobile. Distributions, peaks of memory, energy and comparisons are gemma-bench's.
//
//   gemma-benchmarks --model=synthetic:e2b --benchmark_filter='^(load|first_token|prefill|decode)/int4'
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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

// The depths that decoding is measured at; one session reaches them one after the other.
constexpr size_t kDepths[] = {0, 512, 2048, 4095, 8192, 16384, 32768};
constexpr size_t kDeepest = 32768;

// Ids spread over the vocabulary: n of them from position `first` on.
std::vector<int32_t> spread_ids(size_t first, size_t n, size_t vocab) {
  std::vector<int32_t> ids(n);
  for (size_t i = 0; i < n; ++i) ids[i] = static_cast<int32_t>((first + i) * 2654435761u % vocab);
  return ids;
}

// The folder packed for a scheme and the model in it.
class PackedModel {
 public:
  PackedModel(const std::string& name, const std::string& scheme)
      : folder_(fs::temp_directory_path() / fmt::format("gemma-end-to-end-{}", getpid())) {
    const Result<void> made = make(name, scheme);
    if (!made) problem_ = made.error().message();
  }
  PackedModel(const PackedModel&) = delete;
  PackedModel& operator=(const PackedModel&) = delete;
  ~PackedModel() {
    session_.reset();
    model_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  const std::string& problem() const { return problem_; }  // empty: there is none
  const Model& model() const { return *model_; }
  Result<std::unique_ptr<Model>> load() const { return Model::load(folder_.string(), {}); }

  // A session that has computed `depth` positions. Google Benchmark calls a benchmark several times, and a
  // long prompt is computed once for all of them.
  Result<Session*> session_at(size_t depth) {
    if (!session_ || session_->position() > depth || session_->options().context <= depth) {
      SessionOptions options;
      options.context = std::max(depth, std::min(kDeepest, model_->config().max_positions - 1)) + 1;
      Result<Session> created = Session::create(*model_, options);
      if (!created) return fail(std::move(created.error()));
      session_.emplace(std::move(*created));
    }
    const size_t from = session_->position();
    const std::vector<int32_t> ids = spread_ids(from, depth - from, model_->config().vocab_size);
    Result<void> filled = session_->prefill(ids);
    if (!filled) return fail(std::move(filled.error()));
    return &*session_;
  }

 private:
  Result<void> make(const std::string& name, const std::string& scheme_name) {
    ModelOptions options;
    options.weights = false;
    options.scheme = scheme_name;
    Result<std::unique_ptr<Model>> source = Model::load(name, options);
    if (!source) return fail(std::move(source.error()));
    Result<Scheme> scheme = parse_scheme(scheme_name);
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
  std::optional<Session> session_;
};

// One at a time: the one before is removed when another scheme is asked for.
PackedModel& packed_model(const std::string& name, const std::string& scheme) {
  static std::unique_ptr<PackedModel> packed;
  static std::string packed_scheme;
  if (packed == nullptr || packed_scheme != scheme) {
    packed.reset();
    packed = std::make_unique<PackedModel>(name, scheme);
    packed_scheme = scheme;
  }
  return *packed;
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

void load(benchmark::State& state, PackedModel& packed) {
  if (!packed.problem().empty()) return state.SkipWithError(packed.problem().c_str());
  for ([[maybe_unused]] auto _ : state) {
    const Result<std::unique_ptr<Model>> model = packed.load();
    if (!model) return state.SkipWithError(model.error().message().c_str());
  }
}

// What a program takes from its start to the logits that the first token is picked from: loading is in it.
void first_token(benchmark::State& state, PackedModel& packed, size_t tokens) {
  if (!session_for(state, packed, tokens)) return;
  const std::vector<int32_t> ids = spread_ids(0, tokens, packed.model().config().vocab_size);
  for ([[maybe_unused]] auto _ : state) {
    const Result<std::unique_ptr<Model>> model = packed.load();
    if (!model) return state.SkipWithError(model.error().message().c_str());
    Result<Session> session = Session::create(**model, {});
    if (!session) return state.SkipWithError(session.error().message().c_str());
    if (!session->extend(ids)) return state.SkipWithError("the prompt cannot be computed");
  }
}

void prefill(benchmark::State& state, PackedModel& packed, size_t tokens) {
  std::optional<Session> session = session_for(state, packed, tokens);
  if (!session) return;
  const std::vector<int32_t> ids = spread_ids(0, tokens, packed.model().config().vocab_size);
  for ([[maybe_unused]] auto _ : state) {
    session->reset();
    if (!session->extend(ids)) return state.SkipWithError("the prompt cannot be computed");
  }
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(tokens), benchmark::Counter::kIsIterationInvariantRate);
}

void decode(benchmark::State& state, PackedModel& packed, size_t depth) {
  if (!packed.problem().empty()) return state.SkipWithError(packed.problem().c_str());
  const Result<Session*> filled = packed.session_at(depth);
  if (!filled) return state.SkipWithError(filled.error().message().c_str());
  Session* session = *filled;
  const Model& model = packed.model();
  const int32_t id = spread_ids(depth, 1, model.config().vocab_size).front();
  for ([[maybe_unused]] auto _ : state) {
    if (!session->decode(id)) return state.SkipWithError("a token cannot be computed");
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
  using Run = std::function<void(benchmark::State&, PackedModel&)>;
  // A scheme's stand together, since its model is packed once. A plain run has all of int4 that fits 4096
  // positions, and of the others what shows that they are as fast as they were. Longer ones than the model
  // has positions are skipped with that reason.
  for (const char* scheme : {"int4", "int8", "mobile"}) {
    const auto add = [&](const char* what, const std::string& which, size_t positions, const Run& run) {
      const size_t most = scheme == std::string_view("int4") ? 4096 : 256;
      add_benchmark(
          settings, positions <= most ? Extent::kAlways : Extent::kFull,
          fmt::format("{}/{}{}", what, scheme, which),
          [=, model = settings.model](benchmark::State& state) { run(state, packed_model(model, scheme)); },
          true);
    };
    add("load", "", 0, load);
    add("first_token", "/prompt:128", 128,
        [](benchmark::State& state, PackedModel& packed) { first_token(state, packed, 128); });
    for (const size_t tokens : {32, 64, 128, 256, 512, 1024, 2048, 4096}) {
      add("prefill", fmt::format("/tokens:{}", tokens), tokens,
          [tokens](benchmark::State& state, PackedModel& packed) { prefill(state, packed, tokens); });
    }
    for (const size_t depth : kDepths) {
      add("decode", fmt::format("/depth:{}", depth), depth + 1,
          [depth](benchmark::State& state, PackedModel& packed) { decode(state, packed, depth); });
    }
  }
}
const ListBenchmarks kListed(list);

}  // namespace
}  // namespace gemma
