#include "tools/bench_machine.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

#include "engine/thread_team.h"
#include "kernels/isa.h"

namespace gemma {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "model name : AMD EPYC" -> "AMD EPYC".
std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || line.rfind("model name", 0) != 0) continue;
    const size_t begin = line.find_first_not_of(' ', colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  utsname name{};
  return ::uname(&name) == 0 ? name.machine : "";
}

// "always [madvise] never" -> "madvise".
std::string chosen(const std::string& words) {
  const size_t open = words.find('['), close = words.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return words;
  return words.substr(open + 1, close - open - 1);
}

size_t allowed_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  return ::sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? static_cast<size_t>(CPU_COUNT(&allowed))
                                                                : 1;
}

}  // namespace

Machine machine() {
  Machine found;
  found.cpu = cpu_name();
  found.cpus = allowed_cpus();
  found.cores = physical_cores();
  const std::string smt = first_line("/sys/devices/system/cpu/smt/active");
  found.smt = smt == "1" ? "on" : smt == "0" ? "off" : "";
  found.governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  found.gigahertz = 1e-9 / seconds_per_cycle();
  found.cache_bytes = last_cache_bytes();
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) found.memory_bytes = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page);
  found.huge_pages = chosen(first_line("/sys/kernel/mm/transparent_hugepage/enabled"));
  utsname name{};
  if (::uname(&name) == 0) found.kernel = fmt::format("{} {}", name.sysname, name.release);
#if defined(__clang__)
  found.compiler = "clang " __clang_version__;
#else
  found.compiler = "GCC " __VERSION__;
#endif
  found.flags = GEMMA_BUILD_FLAGS;
  for (const kernels::Isa isa : kernels::supported_isas()) found.isas.emplace_back(kernels::to_string(isa));
  double loads[1] = {};
  if (::getloadavg(loads, 1) == 1) found.load_average = loads[0];
  return found;
}

}  // namespace gemma
