// The list of benchmarks that are made in loops: every kernel, shape and thread count is one. A plain run
// makes those that tell whether something got slower; --full makes all.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>

namespace gemma {

enum class Extent { kAlways, kFull };

// What main() has read from the command line before anything is added.
struct BenchmarkSettings {
  bool full = false;                     // --full, or a filter: then everything can be picked
  std::string model = "synthetic:tiny";  // --model, of the end-to-end benchmarks
};

// Every file that lists benchmarks has one of these; main() calls all of them.
using BenchmarkList = void (*)(const BenchmarkSettings& settings);
struct ListBenchmarks {
  explicit ListBenchmarks(BenchmarkList list);
};

// Times are CPU time of the one thread; with `wall` those of the clock, for work on several.
void add_benchmark(const BenchmarkSettings& settings, Extent extent, const std::string& name,
                   const std::function<void(benchmark::State&)>& run, bool wall = false);

}  // namespace gemma
