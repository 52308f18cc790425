// The integer matmuls of every instruction set this CPU has, at the shapes of all five sizes of Gemma 4, with
// their shares of the machine's limits (machine_share.h). Activations are quantized beforehand.
//
// A plain run has the MLP matrices of E2B on the best instruction set with 1, 8 and 256 tokens, and one of
// them on every thread count; --full all shapes, instruction sets and counts. One call computes at most
// kCallBytes of a matrix: of a larger one (heads) its first rows, which is what a call of the engine gets
// too.
//
// Names begin with the kernel's own, the one that --kernel forces: int8_group/avx2/w6g16/e2b/... is one of
// int8_group/avx2.
//
//   gemma-benchmarks --benchmark_filter='^int4_group32/avx2/e2b'
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "benchmarks/benchmark_list.h"
#include "benchmarks/machine_share.h"
#include "benchmarks/model_shapes.h"
#include "benchmarks/weight_arena.h"
#include "engine/thread_team.h"
#include "kernels/kernel_registry.h"
#include "kernels/pack.h"

namespace gemma::kernels {
namespace {

constexpr size_t kCallBytes = size_t{64} << 20;

struct Case {
  MatmulOperation kernel;
  Isa isa;
  size_t rows, cols, tokens, threads;
};

void matmul(benchmark::State& state, const Case& c) {
  const KernelTable& table = kernel_table(c.isa);
  const MatmulOperation& kernel = c.kernel;
  const bool groups = kernel.activations == ActivationKind::kInt8Group;
  const size_t group = groups ? kGroup : c.cols;
  const size_t panel = packed_bytes(kernel.format, kernel.bits, kPanelRows, c.cols, kernel.group);
  const size_t rows = std::min(c.rows, std::max<size_t>(kCallBytes / panel, 1) * kPanelRows);
  const size_t bytes = packed_bytes(kernel.format, kernel.bits, rows, c.cols, kernel.group);
  const size_t copies = kArenaBytes / bytes;
  const std::byte* data = weight_arena();
  if (data == nullptr || copies == 0) return state.SkipWithError("the weights have no room");
  const std::vector<float> w_scales(rows + kPanelRows, 0.01f);
  StaticScales statics;
  if (kernel.activations == ActivationKind::kInt8Static) statics = {w_scales.data(), 0.5f};

  std::vector<float> x(c.tokens * c.cols);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 2654435761u % 2001) * 1e-3f - 1;
  std::vector<int8_t> q(x.size());
  std::vector<float> scales(x.size() / group);
  std::vector<int32_t> sums(scales.size());
  table.quantize_activations(x.data(), c.tokens, c.cols, group, kernel.activation_levels, q.data(),
                             scales.data(), sums.data());
  const Activations acts = {kernel.activations, c.tokens, c.cols,        group,
                            x.data(),           q.data(), scales.data(), sums.data()};

  std::vector<float> out(c.tokens * rows);
  const ThreadTeam team(c.threads);
  size_t copy = 0;
  for ([[maybe_unused]] auto _ : state) {
    const MatrixView w = {kernel.format,
                          static_cast<uint8_t>(kernel.bits),
                          rows,
                          c.cols,
                          data + copy * bytes,
                          w_scales.data(),
                          kernel.group,
                          statics};
    team.parallel_for(rows, kPanelRows, [&](size_t row0, size_t row1, size_t) {
      (table.*kernel.entry)(w, acts, row0, row1, out.data(), rows);
    });
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
    copy = (copy + 1) % copies;
  }
  set_rates(state, {static_cast<double>(bytes), static_cast<double>(rows * c.cols * c.tokens), c.isa,
                    peak_operands(kernel.bits, kernel.activation_levels), c.threads});
}

std::string name_of(const MatmulOperation& kernel, Isa isa) {
  const std::string name = fmt::format("{}/{}", kernel.name, to_string(isa));
  return kernel.variant.empty() ? name : fmt::format("{}/{}", name, kernel.variant);
}

constexpr size_t kQuantizedTokens = 8;

void quantize(benchmark::State& state, Isa isa, size_t cols, size_t group) {
  const std::vector<float> x(kQuantizedTokens * cols, 0.75f);
  std::vector<int8_t> q(x.size());
  std::vector<float> scales(x.size() / group);
  std::vector<int32_t> sums(scales.size());
  for ([[maybe_unused]] auto _ : state) {
    kernel_table(isa).quantize_activations(x.data(), kQuantizedTokens, cols, group, 127, q.data(),
                                           scales.data(), sums.data());
    benchmark::DoNotOptimize(q.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<int64_t>(x.size()) * state.iterations());
}

void quantize_static(benchmark::State& state, Isa isa, size_t cols) {
  const std::vector<float> x(kQuantizedTokens * cols, 0.75f);
  std::vector<int8_t> q(x.size());
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(kernel_table(isa).quantize_static(x.data(), x.size(), 1.0f / 127, q.data()));
    benchmark::DoNotOptimize(q.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<int64_t>(x.size()) * state.iterations());
}

void list_matmuls(const BenchmarkSettings& settings) {
  const Isa best = supported_isas().front();
  for (const MatmulOperation& kernel : matmul_operations()) {
    for (const Isa isa : supported_isas()) {
      for (const ModelShape& shape : model_shapes()) {
        for (const size_t tokens : {1, 4, 8, 32, 256}) {
          // The definition reads levels one by one; many tokens would take seconds and tell nothing new.
          if (isa == Isa::kPortable && tokens > 1) continue;
          const bool mlp = shape.size == kModelSizes[0] && shape.tensor_class == TensorClass::kMlp;
          const bool always = isa == best && mlp && tokens != 4 && tokens != 32;
          const Case one = {kernel, isa, shape.rows, shape.cols, tokens, 1};
          add_benchmark(settings, always ? Extent::kAlways : Extent::kFull,
                        fmt::format("{}/{}/tokens:{}", name_of(kernel, isa), shape.name, tokens),
                        [one](benchmark::State& state) { matmul(state, one); });
        }
      }
    }
  }
}
const ListBenchmarks kMatmuls(list_matmuls);

// What more threads bring: the largest MLP matrix of E2B, decoding and in a chunk of the prompt.
void list_teams(const BenchmarkSettings& settings) {
  const Isa isa = supported_isas().front();
  const auto bytes = [](const ModelShape& shape) {
    const bool mlp = shape.size == kModelSizes[0] && shape.tensor_class == TensorClass::kMlp;
    return mlp ? shape.rows * shape.cols : 0;
  };
  const auto& shapes = model_shapes();
  const ModelShape& shape =
      *std::max_element(shapes.begin(), shapes.end(),
                        [&](const ModelShape& a, const ModelShape& b) { return bytes(a) < bytes(b); });
  for (const MatmulOperation& kernel : matmul_operations()) {
    for (const size_t tokens : {1, 256}) {
      for (const size_t threads : thread_counts()) {
        const Case one = {kernel, isa, shape.rows, shape.cols, tokens, threads};
        add_benchmark(
            settings, &kernel == matmul_operations().data() ? Extent::kAlways : Extent::kFull,
            fmt::format("{}/{}/tokens:{}/threads:{}", name_of(kernel, isa), shape.name, tokens, threads),
            [one](benchmark::State& state) { matmul(state, one); }, true);
      }
    }
  }
}
const ListBenchmarks kTeams(list_teams);

void list_quantization(const BenchmarkSettings& settings) {
  const size_t cols = model_config(kModelSizes[0]).layers.back().intermediate_size;
  for (const Isa isa : supported_isas()) {
    const Extent extent = isa == supported_isas().front() ? Extent::kAlways : Extent::kFull;
    for (const size_t group : {kGroup, cols}) {
      add_benchmark(settings, extent,
                    fmt::format("quantize_activations/{}/cols:{}/group:{}", to_string(isa), cols, group),
                    [=](benchmark::State& state) { quantize(state, isa, cols, group); });
    }
    add_benchmark(settings, extent, fmt::format("quantize_static/{}/cols:{}", to_string(isa), cols),
                  [=](benchmark::State& state) { quantize_static(state, isa, cols); });
  }
}
const ListBenchmarks kQuantization(list_quantization);

}  // namespace
}  // namespace gemma::kernels
