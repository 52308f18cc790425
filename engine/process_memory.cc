#include "engine/process_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <utility>

namespace gemma {
namespace {

// Fills fields from lines "Name:   123 kB".
void read_fields(const char* path, std::initializer_list<std::pair<const char*, uint64_t*>> fields) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    uint64_t kilobytes = 0;
    if (!(words >> name >> kilobytes)) continue;
    for (const auto& [wanted, value] : fields) {
      if (name == wanted) *value = kilobytes * 1024;
    }
  }
}

}  // namespace

ProcessMemory process_memory() {
  ProcessMemory memory;
  read_fields("/proc/self/smaps_rollup", {{"Pss:", &memory.proportional_bytes}});
  // One read, so that the parts belong to the sum.
  read_fields("/proc/self/status", {{"VmRSS:", &memory.resident_bytes},
                                    {"RssAnon:", &memory.anonymous_bytes},
                                    {"RssFile:", &memory.file_bytes},
                                    {"RssShmem:", &memory.shared_bytes},
                                    {"VmHWM:", &memory.peak_resident_bytes},
                                    {"VmSize:", &memory.virtual_bytes},
                                    {"VmPTE:", &memory.page_table_bytes},
                                    {"VmSwap:", &memory.swapped_bytes}});
  return memory;
}

bool reset_peak_resident() {
  // "5" is CLEAR_REFS_MM_HIWATER_RSS of proc_pid_clear_refs(5).
  const int file = ::open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool done = ::write(file, "5", 1) == 1;
  ::close(file);
  return done;
}

}  // namespace gemma
