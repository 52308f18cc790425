// The query heads of one KV head against its cache, one thread. Multiply-adds are those of scores and sums (2
// * head_dim for a key that a query sees); exponentials come on top.
//
//   decode    one position against all before it, keys and values from memory
//   prefill   64 positions of a prompt in the engine's tiles of 32 queries, at a depth: every tile reads the
//             keys again, from whichever cache holds them
//
//   gemma-benchmarks --benchmark_filter='^attention_span/.*/f16'
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "benchmarks/benchmark_list.h"
#include "benchmarks/machine_share.h"
#include "benchmarks/model_shapes.h"
#include "benchmarks/weight_arena.h"
#include "kernels/kernel_table.h"

namespace gemma::kernels {
namespace {

constexpr size_t kHeads = 8;                    // that share a KV head, as in E2B
constexpr size_t kTilePositions = 32 / kHeads;  // as engine/forward_attention.cc
constexpr size_t kPromptPositions = 64;

struct Case {
  KvType type;
  Isa isa;
  size_t head_dim, depth;
};

// The arena cut into caches of `slots` positions, each taken in turn.
class Caches {
 public:
  Caches(const Case& c, size_t slots)
      : c_(c),
        slots_(slots),
        half_(slots * c.head_dim * bytes_per_number(c.type)),
        copies_(weight_arena() == nullptr ? 0 : kArenaBytes / (2 * half_)),
        scales_(has_scale(c.type) ? slots : 0, 1e-3f) {}

  bool empty() const { return copies_ == 0; }
  size_t bytes() const { return 2 * half_; }
  KeyValues next() {
    const std::byte* keys = weight_arena() + copy_ * bytes();
    copy_ = (copy_ + 1) % copies_;
    return {keys, keys + half_, c_.type, c_.head_dim, slots_, scales_.data(), scales_.data()};
  }

 private:
  Case c_;
  size_t slots_, half_, copies_, copy_ = 0;
  // 4 bytes to every head_dim levels, and not from the arena, whose bytes are no sensible scales.
  std::vector<float> scales_;
};

// A tile of queries at consecutive positions, and the two states that its spans are gathered in.
class Tile {
 public:
  Tile(const Case& c, size_t positions)
      : table_(kernel_table(c.isa)),
        width_(kHeads * c.head_dim),
        head_dim_(c.head_dim),
        positions_(positions),
        query_(numbers(positions * width_)),
        mix_(numbers(2 * positions * width_)),
        sums_(numbers(4 * positions * kHeads)),
        scratch_(numbers(kAttentionScratch)) {
    std::fill_n(query_.as<float>(), positions * width_, 1e-3f);
  }

  void attend(const KeyValues& kv, size_t position) {
    const size_t end = position + positions_, queries = positions_ * kHeads;
    float *sums = sums_.as<float>(), *mix = mix_.as<float>(), *scratch = scratch_.as<float>();
    const AttentionQueries q = {query_.as<float>(), width_, position, positions_, kHeads, head_dim_, end};
    const AttentionState all = {sums, sums + queries, mix, width_};
    const AttentionState one = {sums + 2 * queries, sums + 3 * queries, mix + positions_ * width_, width_};
    table_.attention_span(q, kv, 0, kFullSpan, all, scratch);
    for (size_t begin = kFullSpan; begin < end; begin += kFullSpan) {
      table_.attention_span(q, kv, begin, begin + kFullSpan, one, scratch);
      table_.attention_merge(q, all, one);
    }
    table_.attention_finish(q, all);
    benchmark::DoNotOptimize(mix);
    benchmark::ClobberMemory();
  }

 private:
  // On lines of the cache, as the engine's are: otherwise wide loads would cross two.
  static Buffer numbers(size_t n) {
    return std::move(Buffer::allocate(n * sizeof(float), "attention").value());
  }

  const KernelTable& table_;
  size_t width_, head_dim_, positions_;
  Buffer query_, mix_, sums_, scratch_;
};

void decode(benchmark::State& state, const Case& c) {
  Caches caches(c, c.depth);
  if (caches.empty()) return state.SkipWithError("the cache has no room");
  Tile tile(c, 1);
  for ([[maybe_unused]] auto _ : state) tile.attend(caches.next(), c.depth - 1);
  set_rates(state,
            {static_cast<double>(caches.bytes()), static_cast<double>(2 * c.depth * kHeads * c.head_dim),
             c.isa, PeakOperands::kFloat32, 1});
}

void prefill(benchmark::State& state, const Case& c) {
  Caches caches(c, c.depth + kPromptPositions);
  if (caches.empty()) return state.SkipWithError("the cache has no room");
  Tile tile(c, kTilePositions);
  for ([[maybe_unused]] auto _ : state) {
    const KeyValues kv = caches.next();
    for (size_t i = 0; i < kPromptPositions; i += kTilePositions) tile.attend(kv, c.depth + i);
  }
  // Position depth + i sees depth + i + 1 keys.
  const size_t keys = kPromptPositions * c.depth + kPromptPositions * (kPromptPositions + 1) / 2;
  set_rates(state,
            {0, static_cast<double>(2 * keys * kHeads * c.head_dim), c.isa, PeakOperands::kFloat32, 1});
}

// Joining the states of two spans, and the output: what attention does once a span and once at its end.
void merge(benchmark::State& state, Isa isa, size_t head_dim) {
  const size_t width = kHeads * head_dim;
  std::vector<float> largest(kHeads, 1), sum(kHeads, 1), mix(width, 0.5f);
  const std::vector<float> query(width);
  const AttentionQueries q = {query.data(), width, 0, 1, kHeads, head_dim, 1};
  const AttentionState all = {largest.data(), sum.data(), mix.data(), width};
  for ([[maybe_unused]] auto _ : state) {
    kernel_table(isa).attention_merge(q, all, all);
    kernel_table(isa).attention_finish(q, all);
    std::fill(sum.begin(), sum.end(), 1.0f);  // it has doubled
    benchmark::DoNotOptimize(mix.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<int64_t>(width) * state.iterations());
}

void list_decode(const BenchmarkSettings& settings, const Case& c, bool always) {
  add_benchmark(settings, always ? Extent::kAlways : Extent::kFull,
                fmt::format("attention_span/{}/{}/decode/head_dim:{}/depth:{}", to_string(c.isa),
                            to_string(c.type), c.head_dim, c.depth),
                [=](benchmark::State& state) { decode(state, c); });
}

void list_prefill(const BenchmarkSettings& settings, const Case& c, bool always) {
  add_benchmark(settings, always ? Extent::kAlways : Extent::kFull,
                fmt::format("attention_span/{}/{}/prefill/head_dim:{}/depth:{}", to_string(c.isa),
                            to_string(c.type), c.head_dim, c.depth),
                [=](benchmark::State& state) { prefill(state, c); });
}

void list(const BenchmarkSettings& settings) {
  std::set<size_t> dims;
  for (const std::string_view size : kModelSizes) {
    for (const LayerConfig& layer : model_config(size).layers) dims.insert(layer.head_dim);
  }
  for (const Isa isa : supported_isas()) {
    for (const KvType type : all_kv_types()) {
      for (const size_t head_dim : dims) {
        const bool always =
            isa == supported_isas().front() && (type == KvType::kF16 || type == KvType::kInt8);
        for (const size_t depth : {512, 4096, 32768}) {
          list_decode(settings, {type, isa, head_dim, depth}, always);
        }
        for (const size_t depth : {0, 512, 4096, 32768}) {
          // One value at a time takes seconds at depth and tells nothing new.
          if (isa == Isa::kPortable && depth > 0) continue;
          list_prefill(settings, {type, isa, head_dim, depth}, always && depth < 32768);
        }
      }
    }
    for (const size_t head_dim : dims) {
      add_benchmark(settings, isa == supported_isas().front() ? Extent::kAlways : Extent::kFull,
                    fmt::format("attention_merge/{}/with_finish/head_dim:{}", to_string(isa), head_dim),
                    [=](benchmark::State& state) { merge(state, isa, head_dim); });
    }
  }
}
const ListBenchmarks kListed(list);

}  // namespace
}  // namespace gemma::kernels
