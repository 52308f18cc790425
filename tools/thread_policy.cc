#include "tools/thread_policy.h"

#include <unistd.h>

#include <cstdlib>

namespace gemma {

void spin_briefly(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  // Some tens of microseconds. Set before the second start, so there is no third.
  if (setenv("GOMP_SPINCOUNT", "20000", 1) == 0) execv("/proc/self/exe", argv);
}

}  // namespace gemma
