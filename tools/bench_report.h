// A benchmark's document for people: a table of every metric, one row per cell in markdown, all figures in
// CSV.
#pragma once

#include <string>

#include "tools/bench_document.h"

namespace gemma {

// "not available" where the machine does not tell.
std::string machine_text(const Machine& machine);
std::string limits_text(const Limits& limits, const Machine& machine);

std::string bench_table(const BenchDocument& document);
std::string bench_markdown(const BenchDocument& document);
// One line per cell and metric, with a head line; RFC 4180.
std::string bench_csv(const BenchDocument& document);

}  // namespace gemma
