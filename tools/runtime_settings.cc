#include "tools/runtime_settings.h"

#include <unistd.h>

#include <cstdlib>
#include <initializer_list>

namespace gemma {

void set_up_runtime(char** argv) {
  const auto missing = [](const char* name) { return std::getenv(name) == nullptr; };
  bool changed = false;
  const auto set = [&](const char* name, const char* value) { changed |= setenv(name, value, 1) == 0; };
  // Some tens of microseconds.
  if (missing("OMP_WAIT_POLICY") && missing("GOMP_SPINCOUNT")) set("GOMP_SPINCOUNT", "20000");
  for (const char* delay : {"MIMALLOC_DECOMMIT_DELAY", "MIMALLOC_PURGE_DELAY"}) {
    if (missing(delay)) set(delay, "0");
  }
  // All is set before the second start, so there is no third.
  if (changed) execv("/proc/self/exe", argv);
}

}  // namespace gemma
