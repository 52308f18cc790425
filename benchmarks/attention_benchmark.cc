// The query heads of one KV head against its cache: decoding at a depth, one thread, keys and values from
// memory. Multiply-adds are those of scores and sums (2 * depth * head_dim a head); exponentials come on top.
//
//   gemma-benchmarks --benchmark_filter='attention/.*/f16'
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

constexpr size_t kHeads = 8;  // that share a KV head, as in E2B

void attention(benchmark::State& state, KvType type, Isa isa, size_t head_dim, size_t depth) {
  const size_t half = depth * head_dim * bytes_per_number(type);  // all keys, or all values
  const size_t copies = kArenaBytes / (2 * half);
  const std::byte* data = weight_arena();
  if (data == nullptr || copies == 0) return state.SkipWithError("the cache has no room");
  const size_t width = kHeads * head_dim;
  const std::vector<float> query(width, 1e-3f);
  std::vector<float> scratch(kAttentionScratch), mix(width), part(width);
  std::vector<float> sums(4 * kHeads);
  // 4 bytes to every head_dim levels, and not from the arena, whose bytes are no sensible scales.
  const std::vector<float> scales(has_scale(type) ? depth : 0, 1e-3f);
  const AttentionQueries q = {query.data(), width, depth - 1, 1, kHeads, head_dim, depth};
  const AttentionState all = {sums.data(), sums.data() + kHeads, mix.data(), width};
  const AttentionState one = {sums.data() + 2 * kHeads, sums.data() + 3 * kHeads, part.data(), width};
  const KernelTable& table = kernel_table(isa);
  size_t copy = 0;
  for ([[maybe_unused]] auto _ : state) {
    const std::byte* keys = data + copy * 2 * half;
    const KeyValues kv = {keys, keys + half, type, head_dim, depth, scales.data(), scales.data()};
    table.attention_span(q, kv, 0, kFullSpan, all, scratch.data());
    for (size_t begin = kFullSpan; begin < depth; begin += kFullSpan) {
      table.attention_span(q, kv, begin, begin + kFullSpan, one, scratch.data());
      table.attention_merge(q, all, one);
    }
    table.attention_finish(q, all);
    benchmark::DoNotOptimize(mix.data());
    benchmark::ClobberMemory();
    copy = (copy + 1) % copies;
  }
  set_rates(state, {static_cast<double>(2 * half), static_cast<double>(2 * depth * width), isa,
                    PeakOperands::kFloat32, 1});
}

void list(const BenchmarkSettings& settings) {
  std::set<size_t> dims;
  for (const std::string_view size : kModelSizes) {
    for (const LayerConfig& layer : model_config(size).layers) dims.insert(layer.head_dim);
  }
  for (const KvType type : all_kv_types()) {
    for (const Isa isa : supported_isas()) {
      for (const size_t head_dim : dims) {
        for (const size_t depth : {512, 4096, 32768}) {
          const bool always =
              isa == supported_isas().front() && (type == KvType::kF16 || type == KvType::kInt8);
          add_benchmark(settings, always ? Extent::kAlways : Extent::kFull,
                        fmt::format("attention/{}/{}/head_dim:{}/depth:{}", to_string(isa), to_string(type),
                                    head_dim, depth),
                        [=](benchmark::State& state) { attention(state, type, isa, head_dim, depth); });
        }
      }
    }
  }
}
const ListBenchmarks kListed(list);

}  // namespace
}  // namespace gemma::kernels
