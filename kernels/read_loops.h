// The fastest ways to read memory: what no kernel that must read its weights can exceed on this CPU. Whoever
// measures a kernel times these beside it (engine/machine_limits.h).
//
// Memory gives more to some streams side by side than to one, and to wide loads than to narrow ones: two Zen 5
// cores read 28 to 36 GB/s by 128 bits in one, 8 or 12 streams, 65 in four, and 68 to 71 by 512 bits in four or
// eight. How many streams are best differs between machines, so there are several to try. Nor does the hardware
// always ask for enough by itself: two cores of an Intel Xeon read 27.3 GB/s, and 29.6 where they ask ahead as
// kernels do (kernels/streams.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/isa.h"

namespace gemma::kernels {

struct ReadLoop {
  Isa isa;  // whose loads they are
  size_t streams;
  // Reads whole kilobytes in each stream, so up to `streams` KB less than there are, and returns something that
  // depends on every bit. Any alignment; whole pages are fastest.
  uint64_t (*run)(std::span<const std::byte> bytes);
};

// With the widest loads of this CPU: one stream, four, eight, and four that ask ahead.
std::span<const ReadLoop> read_loops();

}  // namespace gemma::kernels
