// `gemma-run pull ID[@REVISION]`: a model of the Hugging Face hub into the local cache.
#pragma once

#include "tools/exit_code.h"

namespace gemma {

// The arguments from "pull" on. The folder, or with --json a report, goes to stdout; progress, on a terminal
// only, to stderr.
ExitCode run_pull(int argc, const char* const* argv);

}  // namespace gemma
