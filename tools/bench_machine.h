// The machine a benchmark ran on, as far as it tells: what must stand beside every figure, and what it can do
// at most, measured by the same process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loader/result.h"

namespace gemma {

// Texts are empty and numbers absent where the system does not tell.
struct Machine {
  std::string cpu;           // "AMD EPYC 7763"
  size_t cpus = 0;           // logical, that this process may use
  size_t cores = 0;          // physical, of those
  std::string smt;           // "on", "off"
  std::string governor;      // of frequencies: "performance"
  double gigahertz = 0;      // measured: a cycle is one dependent integer addition
  uint64_t cache_bytes = 0;  // of the last level
  uint64_t memory_bytes = 0;
  std::string huge_pages;         // "madvise"
  std::string kernel;             // "Linux 6.1.0"
  std::string compiler;           // that built this program
  std::string flags;              // it was given
  std::vector<std::string> isas;  // instruction sets with kernels, best first
  double load_average = 0;        // of the last minute, at the start: other programs
};
Machine machine();

// How a fixed piece of work varies: the noise no difference can be told apart from.
struct NoiseFloor {
  size_t n = 0;
  double median_seconds = 0;
  double p99_over_median = 0;  // 1.02: one in a hundred takes 2 % longer
  double max_over_median = 0;
};

struct BandwidthLimit {
  size_t threads = 0;
  double bytes_per_second = 0;
};

struct Limits {
  NoiseFloor noise;
  uint64_t read_bytes = 0;                     // of the buffer that is read, larger than the last cache
  std::vector<BandwidthLimit> bandwidth;       // of reading, by threads
  std::optional<double> int8_macs_per_second;  // of one thread
  std::optional<double> float_macs_per_second;

  // Nothing for a thread count that was not measured.
  std::optional<double> bandwidth_of(size_t threads) const;
};

// kResource if the buffer does not fit. `buffer_bytes` 0: four times the last-level cache, 256 MB at least.
Result<Limits> measure_limits(std::span<const size_t> threads, uint64_t buffer_bytes);

}  // namespace gemma
