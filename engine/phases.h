// A computation in phases: every thread of a team runs the same code, shares the work of a phase and meets
// the others at its end. The team is woken once for many phases; a meeting costs some hundred nanoseconds
// where waking a team for each costs microseconds.
//
//   PhaseTeam phases(team);
//   phases.run([&](Worker& me) {
//     me.share(n, [&](size_t i) { y[i] = f(x[i]); });           // a fixed part for each
//     me.meet();                                                // now y is whole
//     me.take(m, 4, [&](size_t begin, size_t end) { ... });     // who is done early takes from the others
//   });
//
// The body must do the same phases with the same sizes on every thread. Two callers must not run one
// PhaseTeam at the same time; two PhaseTeams of one ThreadTeam may run at the same time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/thread_team.h"

namespace gemma {

// What the threads of a run share.
struct PhaseState {
  // The next grain that is left of a thread's part of one take(), and which take() that is.
  struct alignas(64) Part {
    std::atomic<uint64_t> next{0};  // number of the take() << 32 | grain
  };
  alignas(64) std::atomic<uint32_t> arrived{0};
  alignas(64) std::atomic<uint32_t> meetings{0};
  std::unique_ptr<Part[]> parts;
};

// How much take() gives at a time: `items`, the last may be fewer. With `halves` it is half of what is left of
// a thread's run if that is more: long stretches first, for memory is fastest where it is read in one go, and
// short ones at the end, so that all are done together.
struct Grain {
  Grain(size_t n, bool by_halves = false) : items(n), halves(by_halves) {}
  size_t items;
  bool halves;
};

class Worker {
 public:
  Worker(PhaseState& state, size_t thread, size_t threads)
      : state_(state), thread_(thread), threads_(threads) {}

  size_t thread() const { return thread_; }
  size_t threads() const { return threads_; }

  // Waits until all have arrived: spinning for a hundred microseconds, then asleep.
  void meet();

  // What this thread will read next of what lies in memory: `bytes` of each of some streams, `apart` bytes from
  // one to the next. While it waits at meetings, and as the ranges of a take() end, it asks for them, in order
  // and once, so that the memory is not idle when one thread alone has something to do. Holds until something
  // else is expected. Asking never faults.
  void expect(const std::byte* begin, size_t bytes, size_t streams = 1, size_t apart = 0) {
    next_line_ = reinterpret_cast<uintptr_t>(begin);
    lines_end_ = next_line_ + bytes;
    streams_ = streams;
    apart_ = apart;
  }

  // Asks at once for what this thread reads soon beside the matrices.
  void ask(std::span<const std::byte> bytes) const {
    constexpr size_t kLine = 64;
    for (size_t i = 0; i < bytes.size(); i += kLine) __builtin_prefetch(bytes.data() + i, 0, 2);
  }

  // Calls body(i) for this thread's run of [0, n): sizes differ by one at most. No waiting.
  template <typename Body>
  void share(size_t n, const Body& body) const {
    const size_t end = n * (thread_ + 1) / threads_;
    for (size_t i = n * thread_ / threads_; i < end; ++i) body(i);
  }

  // Calls body(begin, end) for ranges that cover [0, n) between all threads: each begins with its own run of
  // the grains and then takes what others have not begun. No waiting at the end. At most 2^32 - 1 grains.
  template <typename Body>
  void take(size_t n, Grain grain, const Body& body) {
    const uint64_t grains = (n + grain.items - 1) / grain.items;
    ++takes_;
    for (size_t i = 0; i < threads_; ++i) {
      const size_t owner = (thread_ + i) % threads_;
      const uint64_t begin = grains * owner / threads_, end = grains * (owner + 1) / threads_;
      for (Range some; next_range(owner, {begin, end}, grain.halves, some);) {
        const size_t last = some.end * grain.items;
        body(some.begin * grain.items, last < n ? last : n);
        ask_ahead();
      }
    }
  }

 private:
  struct Range {  // of grains
    uint64_t begin, end;
  };
  bool next_range(size_t owner, Range run, bool halves, Range& taken);
  void ask_ahead();

  PhaseState& state_;
  size_t thread_;
  size_t threads_;
  uint32_t takes_ = 0;
  uintptr_t next_line_ = 0, lines_end_ = 0;  // of expect()
  size_t streams_ = 1, apart_ = 0;
};

class PhaseTeam {
 public:
  PhaseTeam() = default;
  explicit PhaseTeam(const ThreadTeam& team);

  // Calls body(Worker&) on every thread of the team at once; the caller is one of them.
  template <typename Body>
  void run(const Body& body) const {
    start();
    team_->together([&](size_t thread, size_t threads) {
      Worker worker(*state_, thread, threads);
      body(worker);
    });
  }

  // Times that the threads have met since this was made; one thread alone meets nobody.
  uint32_t meetings() const { return state_->meetings.load(std::memory_order_relaxed); }

 private:
  void start() const;

  const ThreadTeam* team_ = nullptr;
  std::unique_ptr<PhaseState> state_;
};

}  // namespace gemma
