// What this machine can do at most, measured by this process: the figures every other speed is a share of.
//
// A limit is (nearly) the best of many tries, because whatever else runs can only lower it. Reading
// memory is timed by the wall, since a thread that waits for memory is computing as the system sees it;
// arithmetic is timed by the CPU time of its thread, so that other programs do not count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/thread_team.h"
#include "kernels/peak_loops.h"
#include "loader/result.h"

namespace gemma {

// Seconds of a cycle: of additions each of which waits for the one before.
double seconds_per_cycle();

// CPU time of the calling thread, in seconds since some moment.
double thread_seconds();

// Of the last level of cache of the first CPU; 0 where the system does not tell.
uint64_t last_cache_bytes();

// Multiply-adds per second of `threads` threads at once (they may share a clock, a core or a budget of
// power); nothing where the instruction set has no instructions for it or is not supported by this CPU.
std::optional<double> measure_multiply_adds(kernels::Isa isa, kernels::PeakOperands operands,
                                            size_t threads = 1);

struct ReadBandwidth {
  size_t threads = 0;
  double best = 0;    // bytes per second of the third fastest pass: faster ones may be slips of the clock
  double median = 0;  // of all passes of the loop that was fastest
};

// How much is read in turn, a quarter in each pass: four times the last cache, 512 MB at least.
uint64_t bandwidth_buffer_bytes();

// Reading a buffer of `bytes` that lies on huge pages where the system gives them. Thread counts and loops
// (kernels/read_loops.h) take turns, pass by pass; a count never gets less than a smaller one, which it could
// imitate. In the order of `threads`. kResource if the buffer does not fit.
Result<std::vector<ReadBandwidth>> measure_read_bandwidth(std::span<const size_t> threads, uint64_t bytes);

// What reading gives at this moment: bytes per second over `bytes`, by the threads of `team`, in a pass of each
// of kernels::read_loops(). Taken between runs of something that reads memory, over the same memory, it tells how
// that does while the memory is as it is: where other programs or guests share it, a limit measured a minute
// ago says little, and nor does one of other addresses (on a virtual machine some layers of a model were read
// at 52 GB/s and others at 71, in the same token).
std::vector<double> read_each_way(std::span<const std::byte> bytes, const ThreadTeam& team);

}  // namespace gemma
