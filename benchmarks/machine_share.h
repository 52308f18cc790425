// A benchmark's rates, each beside its share of what this machine can do at most, measured in this process
// (engine/machine_limits.h):
//
//   GB/s       bytes read per second; of_read the same as a share of what so many threads can read
//   MAC/s      multiply-adds per second; MAC/cycle of one thread, a cycle being one dependent addition
//   of_peak    multiply-adds as a share of those that so many threads do at once on registers alone, by the
//              best instruction that the kernel's instruction set has for such operands
//              (kernels/peak_loops.h)
//
// Google Benchmark marks shares with "/s" like every rate; they are plain numbers, 1 being the limit. A
// kernel is as good as the larger of its shares: the one that bounds it.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <vector>

#include "benchmarks/benchmark_list.h"
#include "kernels/peak_loops.h"

namespace gemma {

struct Work {
  double bytes = 0;  // of one iteration; 0: all of it is in the caches, and of no interest
  double macs = 0;
  kernels::Isa isa = kernels::Isa::kPortable;
  kernels::PeakOperands operands = kernels::PeakOperands::kFloat32;
  size_t threads = 1;
};
void set_rates(benchmark::State& state, const Work& work);

// The limits themselves, as the first benchmarks of every run.
void list_limits(const BenchmarkSettings& settings);

// 1, 2, 4, ... and the physical cores.
const std::vector<size_t>& thread_counts();

}  // namespace gemma
