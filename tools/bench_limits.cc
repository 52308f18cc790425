#include "tools/bench_limits.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>

#include "engine/buffer.h"
#include "engine/thread_team.h"
#include "tools/bench_machine.h"
#include "tools/bench_peak.h"
#include "tools/bench_statistics.h"

namespace gemma {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// `n` additions, one after the other.
void spin(uint64_t n) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < n; i += 8) {
    for (int j = 0; j < 8; ++j) {
      sum += n;
      asm volatile("" : "+r"(sum));
    }
  }
}

NoiseFloor noise_floor() {
  constexpr uint64_t kAdditions = 1'000'000;  // some 0.3 ms: the length of a small model's token
  std::vector<double> seconds(300);
  for (double& each : seconds) {
    const Clock::time_point begin = Clock::now();
    spin(kAdditions);
    each = seconds_since(begin);
  }
  const Summary summary = summarize(seconds);
  return {summary.n, summary.p50, summary.p99 / summary.p50, summary.max / summary.p50};
}

// Reads words [begin, end) once: four streams, a cache line of each in turn and asked for ahead. One stream
// alone does not keep the memory busy.
uint64_t read_words(const uint64_t* words, size_t begin, size_t end) {
  constexpr size_t kStreams = 4, kLine = 8, kAhead = 16;
  const size_t stream = (end - begin) / kStreams / kLine * kLine;
  uint64_t mix[kLine] = {};
  for (size_t i = 0; i < stream; i += kLine) {
    for (size_t s = 0; s < kStreams; ++s) {
      const uint64_t* line = words + begin + s * stream + i;
      __builtin_prefetch(line + kAhead * kLine);
      for (size_t j = 0; j < kLine; ++j) mix[j] ^= line[j];
    }
  }
  uint64_t all = 0;
  for (const uint64_t word : mix) all ^= word;
  return all;
}

double read_bandwidth(const uint64_t* words, size_t n, size_t threads) {
  const ThreadTeam team(threads);
  constexpr size_t kGrain = size_t{1} << 13;  // whole pages, 64 KB
  double best = 0;
  for (int pass = 0; pass < 6; ++pass) {
    const Clock::time_point begin = Clock::now();
    team.parallel_for(n, kGrain, [&](size_t from, size_t to, size_t) {
      uint64_t all = read_words(words, from, to);
      asm volatile("" : "+r"(all));
    });
    best = std::max(best, static_cast<double>(n * sizeof(uint64_t)) / seconds_since(begin));
  }
  return best;
}

}  // namespace

double seconds_per_cycle() {
  constexpr uint64_t kAdditions = uint64_t{1} << 24;
  double best = 1;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const double begin = thread_seconds();
    spin(kAdditions);
    best = std::min(best, (thread_seconds() - begin) / static_cast<double>(kAdditions));
  }
  return best;
}

std::optional<double> Limits::bandwidth_of(size_t threads) const {
  for (const BandwidthLimit& limit : bandwidth) {
    if (limit.threads == threads) return limit.bytes_per_second;
  }
  return std::nullopt;
}

Result<Limits> measure_limits(std::span<const size_t> threads, uint64_t buffer_bytes) {
  Limits limits;
  limits.noise = noise_floor();
  constexpr uint64_t kLeast = uint64_t{256} << 20;
  limits.read_bytes = buffer_bytes > 0 ? buffer_bytes : std::max(4 * machine().cache_bytes, kLeast);
  Result<void> room = check_memory(limits.read_bytes, "the buffer that bandwidth is measured with");
  if (!room) return fail(std::move(room.error()));
  Result<Buffer> buffer = Buffer::allocate(limits.read_bytes, "the buffer that bandwidth is measured with");
  if (!buffer) return fail(std::move(buffer.error()));
  std::memset(buffer->data(), 1, buffer->bytes());  // pages of its own; untouched ones would all be one page
  for (const size_t count : threads) {
    limits.bandwidth.push_back(
        {count, read_bandwidth(buffer->as<uint64_t>(), buffer->bytes() / sizeof(uint64_t), count)});
  }
  const MultiplyAddPeak peak = multiply_add_peak();
  limits.int8_macs_per_second = peak.int8;
  limits.float_macs_per_second = peak.float32;
  return limits;
}

}  // namespace gemma
