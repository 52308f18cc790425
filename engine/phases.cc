#include "engine/phases.h"

#include <algorithm>

namespace gemma {
namespace {

// About 100 us (200 where a pause is as long as on Intel's): longer than any phase of one token is unbalanced,
// even if a thread is interrupted for a while (waking one that sleeps takes 50), short enough to give a core
// back that another program wants.
constexpr int kSpins = 5000;

inline void spin() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

}  // namespace

// Some lines between two looks at the meeting, into the second-level cache.
void Worker::ask_ahead() {
  constexpr uintptr_t kLine = 64, kBytes = 16 * kLine;
  const uintptr_t stop = std::min(lines_end_, next_line_ + kBytes / streams_);
  for (; next_line_ < stop; next_line_ += kLine) {
    for (size_t stream = 0; stream < streams_; ++stream) {
      __builtin_prefetch(reinterpret_cast<const void*>(next_line_ + stream * apart_), 0, 2);
    }
  }
}

void Worker::meet() {
  if (threads_ == 1) return;
  const uint32_t meeting = state_.meetings.load(std::memory_order_relaxed);
  if (state_.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
    state_.arrived.store(0, std::memory_order_relaxed);
    state_.meetings.store(meeting + 1, std::memory_order_release);
    state_.meetings.notify_all();  // a system call only if somebody sleeps
    return;
  }
  for (int i = 0; i < kSpins; ++i) {
    if (state_.meetings.load(std::memory_order_acquire) != meeting) break;
    ask_ahead();
    spin();
  }
  state_.meetings.wait(meeting, std::memory_order_acquire);  // returns at once if it is over
}

// A part is set up for a take() by whoever comes first, its owner or a thread that has run out of work. A
// thread leaves a take() only when all its grains are taken, so a part that is further on has none left of
// this one.
bool Worker::next_range(size_t owner, Range run, bool halves, Range& taken) {
  std::atomic<uint64_t>& next = state_.parts[owner].next;
  uint64_t seen = next.load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t take = seen >> 32;
    if (take > takes_) return false;
    taken.begin = take == takes_ ? seen & 0xffffffffu : run.begin;
    if (taken.begin >= run.end) return false;
    taken.end = taken.begin + (halves ? (run.end - taken.begin + 1) / 2 : 1);
    const uint64_t after = uint64_t{takes_} << 32 | taken.end;
    if (next.compare_exchange_weak(seen, after, std::memory_order_relaxed)) return true;
  }
}

PhaseTeam::PhaseTeam(const ThreadTeam& team) : team_(&team), state_(std::make_unique<PhaseState>()) {
  state_->parts = std::make_unique<PhaseState::Part[]>(team.size());
}

void PhaseTeam::start() const {
  for (size_t i = 0; i < team_->size(); ++i) state_->parts[i].next.store(0, std::memory_order_relaxed);
}

}  // namespace gemma
