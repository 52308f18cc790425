#include "engine/machine_limits.h"

#include <algorithm>
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
#include "kernels/read_loops.h"

namespace gemma {
namespace {

double bytes_per_second(std::span<const std::byte> bytes, const ThreadTeam& team,
                        const kernels::ReadLoop& loop) {
  using Clock = std::chrono::steady_clock;
  constexpr size_t kPiece = size_t{2} << 20;  // a huge page
  const size_t pieces = (bytes.size() + kPiece - 1) / kPiece;
  const Clock::time_point begin = Clock::now();
  // Whoever is done takes the next piece: a thread that is interrupted, or whose memory is further away, does
  // not keep the other waiting.
  team.for_each(pieces, [&](size_t piece, size_t) {
    const size_t from = piece * kPiece;
    uint64_t all = loop.run(bytes.subspan(from, std::min(kPiece, bytes.size() - from)));
    asm volatile("" : "+r"(all));  // wanted by nobody, and read all the same
  });
  return static_cast<double>(bytes.size()) / std::chrono::duration<double>(Clock::now() - begin).count();
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
  const std::span<const std::byte> all(buffer->data(), buffer->bytes());
  const std::span<const kernels::ReadLoop> loops = kernels::read_loops();

  std::vector<std::unique_ptr<ThreadTeam>> teams;
  for (const size_t count : threads) teams.push_back(std::make_unique<ThreadTeam>(count));
  // Each pass reads the next quarter, some milliseconds long, so that on a busy machine one or another is not
  // interrupted; what it reads has left the caches since the last time.
  constexpr size_t kPasses = 40, kParts = 4;
  const size_t part = all.size() / kParts;
  std::vector<std::vector<std::vector<double>>> rates(threads.size(),
                                                      std::vector<std::vector<double>>(loops.size()));
  size_t next = 0;
  for (size_t pass = 0; pass < kPasses; ++pass) {
    for (size_t t = 0; t < threads.size(); ++t) {
      for (size_t i = 0; i < loops.size(); ++i) {
        const auto stretch = all.subspan(next++ % kParts * part, part);
        rates[t][i].push_back(bytes_per_second(stretch, *teams[t], loops[i]));
      }
    }
  }
  std::vector<ReadBandwidth> found(threads.size());
  for (size_t t = 0; t < threads.size(); ++t) {
    found[t].threads = threads[t];
    for (std::vector<double>& of_loop : rates[t]) {
      std::sort(of_loop.begin(), of_loop.end());
      // Of 40 the third: where a virtual machine's clock jumps, a pass or two come out impossibly fast (68
      // GB/s seen where all others were 33 to 36).
      const double best = of_loop[kPasses - 3];
      if (best > found[t].best) found[t] = {threads[t], best, of_loop[kPasses / 2]};
    }
  }
  for (ReadBandwidth& one : found) {
    for (const ReadBandwidth& other : found) {
      if (other.threads < one.threads && other.best > one.best) one = {one.threads, other.best, other.median};
    }
  }
  return found;
}

std::vector<double> read_each_way(std::span<const std::byte> bytes, const ThreadTeam& team) {
  std::vector<double> rates;
  for (const kernels::ReadLoop& loop : kernels::read_loops()) {
    rates.push_back(bytes_per_second(bytes, team, loop));
  }
  return rates;
}

}  // namespace gemma
