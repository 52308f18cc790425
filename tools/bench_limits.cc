// The machine's limits as a report needs them; the measurements themselves are engine/machine_limits.h.
#include <algorithm>
#include <chrono>

#include "tools/bench_machine.h"
#include "tools/bench_statistics.h"

namespace gemma {
namespace {

NoiseFloor noise_floor() {
  using Clock = std::chrono::steady_clock;
  constexpr uint64_t kAdditions = 1'000'000;  // some 0.3 ms: the length of a small model's token
  std::vector<double> seconds(300);
  for (double& each : seconds) {
    const Clock::time_point begin = Clock::now();
    uint64_t sum = 0;
    for (uint64_t i = 0; i < kAdditions; ++i) {
      sum += kAdditions;
      asm volatile("" : "+r"(sum));  // one after the other
    }
    each = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  const Summary summary = summarize(seconds);
  return {summary.n, summary.p50, summary.p99 / summary.p50, summary.max / summary.p50};
}

void keep_better(std::optional<double>& kept, const std::optional<double>& other) {
  if (other && (!kept || *other > *kept)) kept = other;
}

}  // namespace

std::optional<double> Limits::bandwidth_of(size_t threads) const {
  for (const ReadBandwidth& limit : bandwidth) {
    if (limit.threads == threads) return limit.best;
  }
  return std::nullopt;
}

void Limits::keep_better_of(const Limits& other) {
  for (ReadBandwidth& mine : bandwidth) {
    for (const ReadBandwidth& theirs : other.bandwidth) {
      if (theirs.threads == mine.threads && theirs.best > mine.best) mine = theirs;
    }
  }
  keep_better(int8_macs_per_second, other.int8_macs_per_second);
  keep_better(float_macs_per_second, other.float_macs_per_second);
}

Result<Limits> measure_limits(std::span<const size_t> threads, kernels::Isa isa) {
  Limits limits;
  limits.noise = noise_floor();
  limits.isa = kernels::to_string(isa);
  limits.read_bytes = bandwidth_buffer_bytes();
  Result<std::vector<ReadBandwidth>> bandwidth = measure_read_bandwidth(threads, limits.read_bytes);
  if (!bandwidth) return fail(std::move(bandwidth.error()));
  limits.bandwidth = std::move(*bandwidth);
  limits.int8_macs_per_second = measure_multiply_adds(isa, kernels::PeakOperands::kInt4);
  limits.float_macs_per_second = measure_multiply_adds(isa, kernels::PeakOperands::kFloat32);
  return limits;
}

}  // namespace gemma
