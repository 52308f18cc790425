// The threads of the engine: one team, created once, on which loops over independent items run. Results never
// depend on the number of threads, because every item is computed whole by one of them. Several callers may
// use one team at the same time (without OpenMP they take turns); the body of a loop must not.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

namespace gemma {

class ThreadTeam {
 public:
  // threads >= 1; 0 means the physical cores this process may use.
  explicit ThreadTeam(size_t threads = 0);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  size_t size() const { return threads_; }

  // Calls body(begin, end, thread) for consecutive ranges that cover [0, n), each a multiple of `grain` long
  // but the last; thread < size(). Returns when all are done. n <= grain runs in the caller.
  template <typename Body>
  void parallel_for(size_t n, size_t grain, const Body& body) const {
    if (n == 0) return;
    if (threads_ == 1 || n <= grain) {
      body(size_t{0}, n, size_t{0});
      return;
    }
    const Task task{n, grain, &body, [](const void* b, size_t begin, size_t end, size_t thread) {
                      (*static_cast<const Body*>(b))(begin, end, thread);
                    }};
    run(task);
  }

  // Calls body(thread, threads) once on each of `threads` threads that run at the same time, so they may wait
  // for one another; threads <= size(), the caller is thread 0.
  template <typename Body>
  void together(const Body& body) const {
    if (threads_ == 1) return body(size_t{0}, size_t{1});
    run_together(&body, [](const void* b, size_t thread, size_t threads) {
      (*static_cast<const Body*>(b))(thread, threads);
    });
  }

  // Calls body(index, thread) once for every index of [0, n), each thread taking the next one when it has
  // done its last: for items of unequal cost, and for rows of a file, which are so read from front to back.
  template <typename Body>
  void for_each(size_t n, const Body& body) const {
    std::atomic<size_t> next{0};
    parallel_for(threads_, 1, [&](size_t begin, size_t end, size_t thread) {
      for (size_t share = begin; share < end; ++share) {
        for (size_t index = next++; index < n; index = next++) body(index, thread);
      }
    });
  }

 private:
  struct Task {
    size_t n;
    size_t grain;
    const void* body;
    void (*call)(const void* body, size_t begin, size_t end, size_t thread);
  };
  struct Workers;

  void run(const Task& task) const;
  void run_share(const Task& task, size_t thread) const;
  void run_together(const void* body, void (*call)(const void* body, size_t thread, size_t threads)) const;

  size_t threads_;
  std::unique_ptr<Workers> workers_;  // only in a build without OpenMP
};

// Physical cores among the CPUs this process may run on (SMT siblings counted once), at least 1.
size_t physical_cores();

}  // namespace gemma
