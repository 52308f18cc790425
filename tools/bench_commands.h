// gemma-bench's two commands: measure (the default) and compare.
#pragma once

#include "tools/exit_code.h"

namespace gemma {

ExitCode bench_measure(int argc, const char* const* argv);
// argv[0] is "compare".
ExitCode bench_compare(int argc, const char* const* argv);

}  // namespace gemma
