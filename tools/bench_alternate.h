// Two programs that take turns (A B, B A, ...), each run giving one or more figures: whether they differ, on
// a machine that is never quite the same from minute to minute. The programs may be two builds of
// gemma-bench, or gemma-bench and another engine's benchmark.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "loader/result.h"
#include "tools/bench_statistics.h"

namespace gemma {

// A figure in a program's output. "/cells/0/metrics/decode_rate/p50": a JSON pointer (RFC 6901) into output
// that is JSON, lines before it left out. Anything else is a regular expression (ECMAScript) with one group,
// looked for line by line: the group of the first match.
// kUsage for a pointer or expression that is none; kMismatch where there is no such figure above 0.
Result<double> figure_in(const std::string& output, const std::string& where);

struct AlternateSide {
  std::string command;               // for /bin/sh; its stdout is read, stderr passes through
  std::vector<std::string> figures;  // where they are; as many on both sides
};

struct AlternateSettings {
  size_t warmup = 1;  // pairs that are not recorded
  size_t runs = 20;   // pairs that are: so many figures of each side
};

// One figure on both sides: samples in the order of the pairs.
struct AlternateFigure {
  std::string a_where, b_where;
  std::vector<double> a, b;
  RatioEstimate ratio() const;  // median of b / median of a
};

// Runs both commands in turns. kUsage for unequal lists of figures; kIo for a command that cannot be started
// or exits with another code than 0; errors of figure_in.
Result<std::vector<AlternateFigure>> alternate(const AlternateSide& a, const AlternateSide& b,
                                               const AlternateSettings& settings,
                                               const std::function<void(const std::string&)>& progress);

std::string alternate_table(const AlternateSide& a, const AlternateSide& b,
                            const std::vector<AlternateFigure>& figures);
nlohmann::ordered_json alternate_json(const AlternateSide& a, const AlternateSide& b,
                                      const std::vector<AlternateFigure>& figures);

}  // namespace gemma
