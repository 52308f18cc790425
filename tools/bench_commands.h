// gemma-bench's commands: measure (the default), compare and alternate.
#pragma once

#include "tools/exit_code.h"

namespace gemma {

ExitCode bench_measure(int argc, const char* const* argv);
// argv[0] is "compare".
ExitCode bench_compare(int argc, const char* const* argv);
// argv[0] is "alternate".
ExitCode bench_alternate(int argc, const char* const* argv);

}  // namespace gemma
