// What the operating system says of this process's memory, in bytes; 0 where /proc does not tell.
//
// The resident set has three parts, and VmRSS is their sum: anonymous memory (heap, stacks, buffers), pages
// of files (code, mapped weights) and shared memory. Sources: /proc/self/status, /proc/self/smaps_rollup;
// proc(5).
#pragma once

#include <cstdint>

namespace gemma {

struct ProcessMemory {
  uint64_t resident_bytes = 0;   // RSS
  uint64_t anonymous_bytes = 0;  // RSS = anonymous + file + shared
  uint64_t file_bytes = 0;
  uint64_t shared_bytes = 0;
  uint64_t peak_resident_bytes = 0;  // largest RSS since the start or reset_peak_resident()
  uint64_t proportional_bytes = 0;   // PSS: pages that several processes share count by their share
  uint64_t virtual_bytes = 0;        // VMS: addresses taken, touched or not
  uint64_t page_table_bytes = 0;     // kept by the kernel for this process, outside the RSS
  uint64_t swapped_bytes = 0;
};

ProcessMemory process_memory();

// Sets the peak back to the present resident set. False if the kernel does not allow it.
bool reset_peak_resident();

}  // namespace gemma
