// The integer matmuls of every instruction set this CPU has, one thread, at shapes of Gemma 4 E2B, beside
// what the machine can do at most, measured in the same process.
//
//   GB/s       weight bytes read per second. Every call takes the next copy of the matrix from an arena
//   larger
//              than the caches, as decoding walks through a model; the limit is read_bandwidth.
//   MAC/s      multiply-adds per second; MAC/cycle the same per cycle, a cycle being one dependent integer
//   add.
//
//   gemma-benchmarks --benchmark_filter='int4_group32/avx2'
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "kernels/kernel_registry.h"
#include "kernels/pack.h"

namespace gemma::kernels {
namespace {

constexpr size_t kArenaBytes = size_t{512} << 20;

// Bytes whose pairs are ordinary fp16 scales (0x3030 to 0x3f3f): no denormal or NaN slows a kernel.
const std::vector<uint64_t>& arena() {
  static const std::vector<uint64_t> words = [] {
    std::vector<uint64_t> filled(kArenaBytes / sizeof(uint64_t));
    uint64_t state = 1;
    for (uint64_t& word : filled) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      word = (state >> 4 & 0x0f0f0f0f0f0f0f0fu) | 0x3030303030303030u;
    }
    return filled;
  }();
  return words;
}

// CPU seconds of a cycle: each addition waits for the one before. The best of several tries.
double seconds_per_cycle() {
  static const double seconds = [] {
    constexpr size_t kRounds = size_t{1} << 22;
    double best = 1;
    for (size_t attempt = 0; attempt < 10; ++attempt) {
      const std::clock_t begin = std::clock();
      uint64_t sum = attempt;
      for (size_t i = 0; i < kRounds; ++i) {
        for (size_t j = 0; j < 8; ++j) {
          sum += kRounds;
          asm volatile("" : "+r"(sum));
        }
      }
      benchmark::DoNotOptimize(sum);
      const double elapsed = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
      best = std::min(best, elapsed / (8 * kRounds));
    }
    return best;
  }();
  return seconds;
}

// Four streams of reads, a line of each in turn and asked for ahead: one stream alone does not keep the
// memory busy.
void read_bandwidth(benchmark::State& state) {
  constexpr size_t kStreams = 4, kLineWords = 8;
  const std::vector<uint64_t>& words = arena();
  const size_t stream = words.size() / kStreams;
  for ([[maybe_unused]] auto _ : state) {
    uint64_t mix[kLineWords] = {};
    for (size_t i = 0; i < stream; i += kLineWords) {
      for (size_t s = 0; s < kStreams; ++s) {
        const uint64_t* line = words.data() + s * stream + i;
        __builtin_prefetch(line + 16 * kLineWords);
        for (size_t j = 0; j < kLineWords; ++j) mix[j] ^= line[j];
      }
    }
    benchmark::DoNotOptimize(mix);
  }
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(kArenaBytes) * 1e-9,
                                              benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(read_bandwidth)->Unit(benchmark::kMillisecond);

struct Shape {
  size_t rows, cols;
};
constexpr Shape kShapes[] = {{1536, 2048}, {12288, 1536}, {1536, 12288}};

void matmul(benchmark::State& state, const MatmulOperation& kernel, Isa isa, Shape shape, size_t tokens) {
  const KernelTable& table = kernel_table(isa);
  const bool groups = kernel.activations == ActivationKind::kInt8Group;
  const size_t group = groups ? kGroup : shape.cols;
  const size_t bytes = packed_bytes(kernel.format, kernel.bits, shape.rows, shape.cols, kernel.group);
  const size_t copies = kArenaBytes / bytes;
  const auto* data = reinterpret_cast<const std::byte*>(arena().data());
  const std::vector<float> w_scales(shape.rows, 0.01f);
  const std::vector<int32_t> zero_sums(shape.rows, -128);

  std::vector<float> x(tokens * shape.cols);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 2654435761u % 2001) * 1e-3f - 1;
  std::vector<int8_t> q(x.size());
  std::vector<float> scales(x.size() / group);
  std::vector<int32_t> sums(scales.size());
  table.quantize_activations(x.data(), tokens, shape.cols, group, kernel.activation_levels, q.data(),
                             scales.data(), sums.data());
  std::vector<uint8_t> u(x.size());
  table.quantize_static(x.data(), x.size(), 1.0f / 127, u.data());
  const Activations acts = {kernel.activations, tokens,        shape.cols,  group,   x.data(),
                            q.data(),           scales.data(), sums.data(), u.data()};

  std::vector<float> out(tokens * shape.rows);
  size_t copy = 0;
  for ([[maybe_unused]] auto _ : state) {
    const MatrixView w = {kernel.format,       static_cast<uint8_t>(kernel.bits),
                          shape.rows,          shape.cols,
                          data + copy * bytes, w_scales.data(),
                          kernel.group,        {w_scales.data(), zero_sums.data(), 0.5f}};
    (table.*kernel.entry)(w, acts, 0, shape.rows, out.data(), shape.rows);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
    copy = (copy + 1) % copies;
  }
  const double macs = static_cast<double>(shape.rows * shape.cols * tokens);
  constexpr auto kRate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(bytes) * 1e-9, kRate);
  state.counters["MAC/s"] = benchmark::Counter(macs, kRate);
  state.counters["MAC/cycle"] = benchmark::Counter(macs * seconds_per_cycle(), kRate);
}

void quantize(benchmark::State& state, Isa isa, size_t group) {
  constexpr size_t kTokens = 8, kCols = 12288;
  const std::vector<float> x(kTokens * kCols, 0.75f);
  std::vector<int8_t> q(x.size());
  std::vector<float> scales(x.size() / group);
  std::vector<int32_t> sums(scales.size());
  for ([[maybe_unused]] auto _ : state) {
    kernel_table(isa).quantize_activations(x.data(), kTokens, kCols, group, 127, q.data(), scales.data(),
                                           sums.data());
    benchmark::DoNotOptimize(q.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<int64_t>(x.size()) * state.iterations());
}

const bool kRegistered = [] {
  for (Isa isa : supported_isas()) {
    const std::string name(to_string(isa));
    for (const MatmulOperation& kernel : matmul_operations()) {
      for (Shape shape : kShapes) {
        for (size_t tokens : {1, 8, 128}) {
          // The definition reads levels one by one; many tokens would take seconds and tell nothing new.
          if (isa == Isa::kPortable && tokens > 1) continue;
          const std::string full = std::string(kernel.name) + "/" + name + "/" + std::to_string(shape.rows) +
                                   "x" + std::to_string(shape.cols) + "/" + std::to_string(tokens);
          benchmark::RegisterBenchmark(full.c_str(), [=](benchmark::State& state) {
            matmul(state, kernel, isa, shape, tokens);
          })->Unit(benchmark::kMicrosecond);
        }
      }
    }
    for (size_t group : {kGroup, size_t{12288}}) {
      const std::string full = "quantize_activations/" + name + "/group:" + std::to_string(group);
      benchmark::RegisterBenchmark(full.c_str(), [=](benchmark::State& state) {
        quantize(state, isa, group);
      })->Unit(benchmark::kMicrosecond);
    }
  }
  return true;
}();

}  // namespace
}  // namespace gemma::kernels
