#include "engine/thread_team.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

#include <sched.h>

#include <fmt/format.h>

#ifdef GEMMA_OPENMP
#include <omp.h>
#else
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>
#endif

namespace gemma {

// Static shares: thread i takes the i-th of size() nearly equal runs of grains. No counter, no stealing: the
// bodies are rows of one matrix, all alike.
void ThreadTeam::run_share(const Task& task, size_t thread) const {
  const size_t grains = (task.n + task.grain - 1) / task.grain;
  const size_t begin = grains * thread / threads_ * task.grain;
  const size_t end = std::min(grains * (thread + 1) / threads_ * task.grain, task.n);
  if (begin < end) task.call(task.body, begin, end, thread);
}

#ifdef GEMMA_OPENMP

struct ThreadTeam::Workers {};

ThreadTeam::ThreadTeam(size_t threads) : threads_(threads != 0 ? threads : physical_cores()) {}
ThreadTeam::~ThreadTeam() = default;

void ThreadTeam::run(const Task& task) const {
  const int count = static_cast<int>(threads_);
  // A loop over shares, not a bare parallel region: if the runtime gives fewer threads, all shares still run.
#pragma omp parallel for num_threads(count) schedule(static, 1)
  for (int thread = 0; thread < count; ++thread) run_share(task, static_cast<size_t>(thread));
}

void ThreadTeam::run_together(const void* body, void (*call)(const void*, size_t, size_t)) const {
  const int count = static_cast<int>(threads_);
#pragma omp parallel num_threads(count)
  call(body, static_cast<size_t>(omp_get_thread_num()), static_cast<size_t>(omp_get_num_threads()));
}

#else

// The same on std::thread: workers sleep until a generation number moves.
struct ThreadTeam::Workers {
  std::mutex callers;  // one run at a time: each has all threads
  std::mutex mutex;    // of all that follows
  std::condition_variable start, done;
  const Task* task = nullptr;
  size_t generation = 0;
  size_t running = 0;
  bool quit = false;
  std::vector<std::thread> threads;
};

ThreadTeam::ThreadTeam(size_t threads)
    : threads_(threads != 0 ? threads : physical_cores()), workers_(std::make_unique<Workers>()) {
  for (size_t thread = 1; thread < threads_; ++thread) {
    workers_->threads.emplace_back([this, thread] {
      size_t seen = 0;
      std::unique_lock lock(workers_->mutex);
      for (;;) {
        workers_->start.wait(lock, [&] { return workers_->quit || workers_->generation != seen; });
        if (workers_->quit) return;
        seen = workers_->generation;
        const Task task = *workers_->task;
        lock.unlock();
        run_share(task, thread);
        lock.lock();
        if (--workers_->running == 0) workers_->done.notify_one();
      }
    });
  }
}

ThreadTeam::~ThreadTeam() {
  {
    std::lock_guard lock(workers_->mutex);
    workers_->quit = true;
  }
  workers_->start.notify_all();
  for (std::thread& thread : workers_->threads) thread.join();
}

void ThreadTeam::run(const Task& task) const {
  const std::lock_guard alone(workers_->callers);
  {
    std::lock_guard lock(workers_->mutex);
    workers_->task = &task;
    workers_->running = threads_ - 1;
    ++workers_->generation;
  }
  workers_->start.notify_all();
  run_share(task, 0);
  std::unique_lock lock(workers_->mutex);
  workers_->done.wait(lock, [&] { return workers_->running == 0; });
}

// One grain for each: every worker has its own thread, so all run at the same time.
void ThreadTeam::run_together(const void* body, void (*call)(const void*, size_t, size_t)) const {
  const auto share = [&](size_t begin, size_t, size_t) { call(body, begin, threads_); };
  run({threads_, 1, &share, [](const void* b, size_t begin, size_t end, size_t thread) {
         (*static_cast<const decltype(share)*>(b))(begin, end, thread);
       }});
}

#endif

size_t physical_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return 1;
  // A core is told by the list of its SMT siblings; a machine that does not say so counts every CPU.
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
    std::string siblings;
    if (!std::getline(file, siblings)) siblings = fmt::format("{}", cpu);
    cores.insert(siblings);
  }
  return std::max<size_t>(cores.size(), 1);
}

}  // namespace gemma
