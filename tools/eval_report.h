// gemma-eval report: one page for a browser out of any number of measurements.
//
//   gemma-eval report compare.json layers.json memory-int4.json bench.json --html report.html
#pragma once

#include "tools/exit_code.h"

namespace gemma {

ExitCode eval_report(int argc, const char* const* argv);

}  // namespace gemma
