#include "benchmarks/machine_share.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "engine/machine_limits.h"
#include "engine/thread_team.h"

namespace gemma {
namespace {

using kernels::Isa;
using kernels::PeakOperands;

// Measured once, when the first benchmark asks; no bandwidth if the machine has no room for the buffer.
const std::vector<ReadBandwidth>& bandwidth() {
  static const std::vector<ReadBandwidth> all = [] {
    Result<std::vector<ReadBandwidth>> measured =
        measure_read_bandwidth(thread_counts(), bandwidth_buffer_bytes());
    return measured ? std::move(*measured) : std::vector<ReadBandwidth>();
  }();
  return all;
}

double bandwidth_of(size_t threads) {
  for (const ReadBandwidth& one : bandwidth()) {
    if (one.threads == threads) return one.best;
  }
  return 0;
}

double peak_of(Isa isa, PeakOperands operands, size_t threads) {
  static std::map<std::tuple<Isa, PeakOperands, size_t>, double> known;
  const auto [at, is_new] = known.try_emplace({isa, operands, threads}, 0.0);
  if (is_new) at->second = measure_multiply_adds(isa, operands, threads).value_or(0);
  return at->second;
}

double cycle() {
  static const double seconds = seconds_per_cycle();
  return seconds;
}

constexpr auto kRate = benchmark::Counter::kIsIterationInvariantRate;

}  // namespace

void set_rates(benchmark::State& state, const Work& work) {
  if (work.bytes > 0) {
    state.counters["GB/s"] = benchmark::Counter(work.bytes * 1e-9, kRate);
    const double limit = bandwidth_of(work.threads);
    if (limit > 0) state.counters["of_read"] = benchmark::Counter(work.bytes / limit, kRate);
  }
  if (work.macs > 0) {
    state.counters["MAC/s"] = benchmark::Counter(work.macs, kRate);
    state.counters["MAC/cycle"] =
        benchmark::Counter(work.macs * cycle() / static_cast<double>(work.threads), kRate);
    const double peak = peak_of(work.isa, work.operands, work.threads);
    if (peak > 0) state.counters["of_peak"] = benchmark::Counter(work.macs / peak, kRate);
  }
}

void list_limits(const BenchmarkSettings& settings) {
  for (const size_t threads : thread_counts()) {
    add_benchmark(settings, Extent::kAlways, fmt::format("limit/read/threads:{}", threads),
                  [threads](benchmark::State& state) {
                    for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(bandwidth().data());
                    state.counters["GB/s"] = bandwidth_of(threads) * 1e-9;
                  });
  }
  constexpr std::pair<PeakOperands, const char*> kOperands[] = {{PeakOperands::kInt2, "int2"},
                                                                {PeakOperands::kInt4, "int4"},
                                                                {PeakOperands::kInt8, "int8"},
                                                                {PeakOperands::kInt8ByInt4, "int8_by_int4"},
                                                                {PeakOperands::kFloat32, "float32"}};
  for (const Isa isa : kernels::supported_isas()) {
    for (const auto& [operands, name] : kOperands) {
      if (kernels::find_peak_loop(isa, operands) == nullptr) continue;
      for (const size_t threads : thread_counts()) {
        add_benchmark(settings, Extent::kAlways,
                      fmt::format("limit/{}/{}/threads:{}", name, to_string(isa), threads),
                      [isa, operands = operands, threads](benchmark::State& state) {
                        double peak = 0;
                        for ([[maybe_unused]] auto _ : state) peak = peak_of(isa, operands, threads);
                        state.counters["MAC/s"] = peak;
                        state.counters["MAC/cycle"] = peak * cycle() / static_cast<double>(threads);
                      });
      }
    }
  }
}

const std::vector<size_t>& thread_counts() {
  static const std::vector<size_t> counts = [] {
    std::vector<size_t> all;
    const size_t cores = physical_cores();
    for (size_t n = 1; n < cores; n *= 2) all.push_back(n);
    all.push_back(cores);
    return all;
  }();
  return counts;
}

}  // namespace gemma
