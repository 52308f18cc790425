// The pieces of work that the machine's limits are measured with (bench_machine.h).
#pragma once

namespace gemma {

// Seconds of a cycle: of additions each of which waits for the one before. The best of several tries, in time
// that this thread computed, so that other programs do not count.
double seconds_per_cycle();

}  // namespace gemma
