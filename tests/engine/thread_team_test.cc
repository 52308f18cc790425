// Loops over a team: every index once, also where several callers use it at the same time.
#include "engine/thread_team.h"

#include <atomic>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "engine/phases.h"

namespace gemma {
namespace {

TEST_CASE("callers of one team at the same time all get all of their work done") {
  constexpr size_t kCallers = 3, kRounds = 300, kItems = 61;
  const ThreadTeam team(3);
  std::vector<std::atomic<size_t>> done(kCallers * kItems);
  std::vector<std::thread> callers;
  for (size_t caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (size_t round = 0; round < kRounds; ++round) {
        team.parallel_for(kItems, 1, [&](size_t begin, size_t end, size_t) {
          for (size_t i = begin; i < end; ++i) ++done[caller * kItems + i];
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const std::atomic<size_t>& times : done) CHECK(times == kRounds);
}

TEST_CASE("two teams of phases over one team of threads may run at the same time") {
  constexpr size_t kRounds = 200, kItems = 40;
  const ThreadTeam team(2);
  std::vector<size_t> sums(2);
  std::vector<std::thread> callers;
  for (size_t& sum : sums) {
    callers.emplace_back([&] {
      const PhaseTeam phases(team);
      std::vector<size_t> squares(kItems);
      for (size_t round = 0; round < kRounds; ++round) {
        phases.run([&](Worker& me) {
          me.share(kItems, [&](size_t i) { squares[i] = i * i; });
          me.meet();
          if (me.thread() == 0) {
            for (size_t square : squares) sum += square;
          }
          me.meet();
          me.share(kItems, [&](size_t i) { squares[i] = 0; });
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (size_t sum : sums) CHECK(sum == kRounds * (kItems - 1) * kItems * (2 * kItems - 1) / 6);
}

}  // namespace
}  // namespace gemma
