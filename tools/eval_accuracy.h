// gemma-eval accuracy: questions with right answers, and how often a model gives them.
//
//   gemma-eval accuracy dev-v2.0.json -m google/gemma-4-E2B-it --scheme int4 --against '#bf16' --items
//   out.jsonl
#pragma once

#include "tools/accuracy_report.h"
#include "tools/exit_code.h"

namespace gemma {

// Reads, asks and scores; writes --items as it goes.
Result<AccuracyReport> measure_accuracy(const AccuracyFlags& flags, const Questions& questions);

ExitCode eval_accuracy(int argc, const char* const* argv);

}  // namespace gemma
