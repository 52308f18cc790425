// The machine a benchmark ran on, as far as it tells: what must stand beside every figure, and what it can do
// at most, measured by the same process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/machine_limits.h"
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

struct Limits {
  NoiseFloor noise;
  std::string isa;                             // whose instructions the multiply-adds are
  uint64_t read_bytes = 0;                     // of the buffer that is read, larger than the last cache
  std::vector<ReadBandwidth> bandwidth;        // of reading, by threads
  std::optional<double> int8_macs_per_second;  // of one thread: 4-bit weights, 8-bit activations
  std::optional<double> float_macs_per_second;

  // The best pass; nothing for a thread count that was not measured.
  std::optional<double> bandwidth_of(size_t threads) const;
  // Takes over whatever is higher there. Noise stays.
  void keep_better_of(const Limits& other);
};

// Some two seconds. Errors of measure_read_bandwidth (engine/machine_limits.h).
Result<Limits> measure_limits(std::span<const size_t> threads, kernels::Isa isa);

}  // namespace gemma
