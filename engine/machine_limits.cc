#include "engine/machine_limits.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <thread>

#include <fmt/format.h>

#include "engine/buffer.h"
#include "engine/thread_team.h"

namespace gemma {
namespace {

// Reads `words` once in kStreams streams side by side. Plain loads: with 512-bit ones or software prefetches
// the memory gave no more (Zen 4: 31 to 32 GB/s one thread, 35 to 37 two, whatever the load).
template <size_t kStreams>
uint64_t read_words(std::span<const uint64_t> words) {
  constexpr size_t kStep = 32;  // four cache lines of each stream in turn
  const size_t stream = words.size() / kStreams / kStep * kStep;
  uint64_t mix[kStep] = {};
  for (size_t i = 0; i < stream; i += kStep) {
    for (size_t s = 0; s < kStreams; ++s) {
      const uint64_t* from = words.data() + s * stream + i;
      for (size_t j = 0; j < kStep; ++j) mix[j] ^= from[j];
    }
  }
  uint64_t all = 0;
  for (const uint64_t word : mix) all ^= word;
  return all;
}

// Which pattern is fastest differs between machines, and between one thread and several.
using ReadPattern = uint64_t (*)(std::span<const uint64_t>);
constexpr std::array<ReadPattern, 3> kPatterns = {read_words<1>, read_words<8>, read_words<12>};

double bytes_per_second(std::span<const uint64_t> words, const ThreadTeam& team, ReadPattern read) {
  using Clock = std::chrono::steady_clock;
  constexpr size_t kGrain = size_t{1} << 18;  // a huge page of words
  const Clock::time_point begin = Clock::now();
  team.parallel_for(words.size(), kGrain, [&](size_t from, size_t to, size_t) {
    uint64_t all = read(words.subspan(from, to - from));
    asm volatile("" : "+r"(all));  // wanted by nobody, and read all the same
  });
  return static_cast<double>(words.size_bytes()) /
         std::chrono::duration<double>(Clock::now() - begin).count();
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double seconds_per_cycle() {
  constexpr uint64_t kAdditions = uint64_t{1} << 21;
  double best = 1;
  for (int attempt = 0; attempt < 40; ++attempt) {
    const double begin = thread_seconds();
    uint64_t sum = 0;
    for (uint64_t i = 0; i < kAdditions; i += 8) {
      for (int j = 0; j < 8; ++j) {
        sum += kAdditions;
        asm volatile("" : "+r"(sum));
      }
    }
    best = std::min(best, (thread_seconds() - begin) / static_cast<double>(kAdditions));
  }
  return best;
}

uint64_t last_cache_bytes() {
  uint64_t bytes = 0;
  for (int index = 0; index < 8; ++index) {
    const std::string size =  // "32768K"
        first_line(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", index));
    if (size.empty()) break;
    const uint64_t unit = size.back() == 'K' ? 1024 : size.back() == 'M' ? 1024 * 1024 : 1;
    bytes = std::max<uint64_t>(bytes, std::strtoull(size.c_str(), nullptr, 10) * unit);
  }
  return bytes;
}

std::optional<double> measure_multiply_adds(kernels::Isa isa, kernels::PeakOperands operands,
                                            size_t threads) {
  const kernels::PeakLoop* loop = kernels::find_peak_loop(isa, operands);
  const auto supported = kernels::supported_isas();
  if (loop == nullptr || std::find(supported.begin(), supported.end(), isa) == supported.end()) {
    return std::nullopt;
  }
  constexpr double kMacs = 1e8;  // a millisecond or so: short enough that some try is left undisturbed
  const size_t rounds = static_cast<size_t>(kMacs / loop->macs);
  const ThreadTeam team(threads);
  std::vector<double> rates(team.size());
  double best = 0;
  for (int attempt = 0; attempt < 30; ++attempt) {
    // Spread out: a host that takes a core away for 50 ms once spoiled all attempts of two threads in a row.
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<size_t> arrived{0};
    team.together([&](size_t thread, size_t together) {
      // They begin at once, or the first would be done before the last is awake.
      for (++arrived; arrived < together;) std::this_thread::yield();
      const double begin = thread_seconds();
      loop->run(rounds);
      const double seconds = std::max(thread_seconds() - begin, 1e-9);
      rates[thread] = static_cast<double>(rounds) * loop->macs / seconds;
    });
    best = std::max(best, std::accumulate(rates.begin(), rates.end(), 0.0));
  }
  return best;
}

uint64_t bandwidth_buffer_bytes() {
  constexpr uint64_t kLeast = uint64_t{512} << 20;
  return std::max(4 * last_cache_bytes(), kLeast);
}

Result<std::vector<ReadBandwidth>> measure_read_bandwidth(std::span<const size_t> threads, uint64_t bytes) {
  const std::string what = "the buffer that bandwidth is measured with";
  Result<void> room = check_memory(bytes, what);
  if (!room) return fail(std::move(room.error()));
  Result<Buffer> buffer = Buffer::allocate(bytes, what);
  if (!buffer) return fail(std::move(buffer.error()));
  std::memset(buffer->data(), 1, buffer->bytes());  // pages of its own; untouched ones would all be one page
  const std::span<const uint64_t> words(buffer->as<uint64_t>(), buffer->bytes() / sizeof(uint64_t));

  std::vector<std::unique_ptr<ThreadTeam>> teams;
  for (const size_t count : threads) teams.push_back(std::make_unique<ThreadTeam>(count));
  // Each pass reads the next quarter, some milliseconds long, so that on a busy machine one or another is not
  // interrupted; what it reads has left the caches since the last time.
  constexpr size_t kPasses = 40, kParts = 4;
  const size_t part = words.size() / kParts;
  std::vector<std::array<std::vector<double>, kPatterns.size()>> rates(threads.size());
  size_t next = 0;
  for (size_t pass = 0; pass < kPasses; ++pass) {
    for (size_t t = 0; t < threads.size(); ++t) {
      for (size_t p = 0; p < kPatterns.size(); ++p) {
        const auto stretch = words.subspan(next++ % kParts * part, part);
        rates[t][p].push_back(bytes_per_second(stretch, *teams[t], kPatterns[p]));
      }
    }
  }
  std::vector<ReadBandwidth> found(threads.size());
  for (size_t t = 0; t < threads.size(); ++t) {
    found[t].threads = threads[t];
    for (std::vector<double>& pattern : rates[t]) {
      std::sort(pattern.begin(), pattern.end());
      // Of 40 the third: where a virtual machine's clock jumps, a pass or two come out impossibly fast (68
      // GB/s seen where all others were 33 to 36).
      const double best = pattern[kPasses - 3];
      if (best > found[t].best) found[t] = {threads[t], best, pattern[kPasses / 2]};
    }
  }
  for (ReadBandwidth& one : found) {
    for (const ReadBandwidth& other : found) {
      if (other.threads < one.threads && other.best > one.best) one = {one.threads, other.best, other.median};
    }
  }
  return found;
}

double read_once(std::span<const std::byte> bytes, const ThreadTeam& team) {
  const size_t words = bytes.size() / sizeof(uint64_t);
  const uintptr_t misaligned = reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint64_t);
  if (words < 2 || misaligned != 0) return 0;
  const uint64_t* begin = reinterpret_cast<const uint64_t*>(bytes.data());
  const double one = bytes_per_second({begin, words / 2}, team, kPatterns[0]);
  return std::max(one, bytes_per_second({begin + words / 2, words / 2}, team, kPatterns[1]));
}

}  // namespace gemma
