// Phases: every item once, whoever is slow; what was written before a meeting is there after it.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "engine/phases.h"

namespace gemma {
namespace {

const size_t kThreads[] = {1, 2, 3, 7};

TEST_CASE("share and take give every item to exactly one worker") {
  for (size_t threads : kThreads) {
    const ThreadTeam team(threads);
    const PhaseTeam phases(team);
    for (size_t n : {0, 1, 2, 5, 64, 1000}) {
      for (size_t grain : {1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> shared(n), taken(n);
        phases.run([&](Worker& me) {
          me.share(n, [&](size_t i) { ++shared[i]; });
          me.take(n, grain, [&](size_t begin, size_t end) {
            CHECK(end - begin <= grain);
            for (size_t i = begin; i < end; ++i) ++taken[i];
          });
        });
        for (size_t i = 0; i < n; ++i) REQUIRE((shared[i] == 1 && taken[i] == 1));
      }
    }
  }
}

TEST_CASE("take by halves gives every item to exactly one worker, the longest stretch first") {
  for (size_t threads : kThreads) {
    const ThreadTeam team(threads);
    const PhaseTeam phases(team);
    for (size_t n : {0, 1, 2, 5, 64, 1000}) {
      for (size_t grain : {1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> taken(n);
        std::atomic<size_t> late_long{0};
        phases.run([&](Worker& me) {
          size_t before = n;  // items of this worker's last stretch, as long as it is in its own run
          const size_t grains = (n + grain - 1) / grain, own_end = grains * (me.thread() + 1) / me.threads();
          me.take(n, {grain, true}, [&](size_t begin, size_t end) {
            for (size_t i = begin; i < end; ++i) ++taken[i];
            const bool own = begin >= grains * me.thread() / me.threads() * grain && end <= own_end * grain;
            late_long += own && end - begin > before;
            if (own) before = end - begin;
          });
        });
        CHECK(late_long == 0);
        for (size_t i = 0; i < n; ++i) REQUIRE(taken[i] == 1);
      }
    }
  }
}

TEST_CASE("take by halves begins with half of a run and ends with single grains") {
  const ThreadTeam team(1);
  const PhaseTeam phases(team);
  std::vector<size_t> stretches;
  phases.run([&](Worker& me) {
    me.take(100, {3, true}, [&](size_t begin, size_t end) { stretches.push_back(end - begin); });
  });
  CHECK(stretches == std::vector<size_t>{51, 27, 12, 6, 3, 1});  // of 34 grains
}

TEST_CASE("a row is shared to the same worker every time") {
  const ThreadTeam team(3);
  const PhaseTeam phases(team);
  std::vector<size_t> owner(10, 99);
  std::atomic<int> strangers{0};
  phases.run([&](Worker& me) {
    me.share(owner.size(), [&](size_t i) { owner[i] = me.thread(); });
    for (int again = 0; again < 100; ++again) {
      me.share(owner.size(), [&](size_t i) { strangers += owner[i] != me.thread(); });
    }
  });
  CHECK(strangers == 0);
}

TEST_CASE(
    "takes that follow each other without a meeting lose and repeat nothing, however late a worker is") {
  const ThreadTeam team(4);
  const PhaseTeam phases(team);
  constexpr size_t kTakes = 200, kItems = 37;
  std::vector<std::atomic<int>> done(kTakes * kItems);
  phases.run([&](Worker& me) {
    for (size_t take = 0; take < kTakes; ++take) {
      if ((take + me.thread()) % 50 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
      me.take(kItems, 2, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) ++done[take * kItems + i];
      });
    }
  });
  size_t wrong = 0;
  for (const std::atomic<int>& times : done) wrong += times != 1;
  CHECK(wrong == 0);
}

TEST_CASE("what one worker wrote before a meeting every worker reads after it") {
  for (size_t threads : kThreads) {
    const ThreadTeam team(threads);
    const PhaseTeam phases(team);
    std::vector<size_t> values(threads);
    std::atomic<size_t> wrong{0};
    for (int run = 0; run < 3; ++run) {
      phases.run([&](Worker& me) {
        for (size_t phase = 0; phase < 500; ++phase) {
          values[me.thread()] = phase + me.thread();
          me.meet();
          for (size_t i = 0; i < me.threads(); ++i) wrong += values[i] != phase + i;
          me.meet();
        }
      });
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a worker that comes late is waited for, asleep") {
  const ThreadTeam team(2);
  const PhaseTeam phases(team);
  std::atomic<bool> late{false}, missed{false};
  phases.run([&](Worker& me) {
    if (me.thread() + 1 == me.threads()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      late = true;
    }
    me.meet();
    if (!late) missed = true;
  });
  CHECK_FALSE(missed);
}

}  // namespace
}  // namespace gemma
