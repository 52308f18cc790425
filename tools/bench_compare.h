// Whether two measurements differ, and by how much: cell by cell the ratio of medians with a 95 % confidence
// interval by bootstrap (bench_statistics.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/bench_document.h"

namespace gemma {

enum class Verdict { kFaster, kSlower, kNoDifference };
std::string_view to_string(Verdict verdict);  // "faster", "slower", "no difference shown"

struct SpeedComparison {
  BenchKey a, b;
  Metric metric = Metric::kEndToEnd;
  double median_a = 0, median_b = 0;
  RatioEstimate slowdown;  // time of b / time of a, also where the metric is a rate: above 1 is slower
  Verdict verdict = Verdict::kNoDifference;  // by whether the interval leaves 1 out
};

// The metrics with one value per run, of one cell against another: those that both have. Gaps between tokens
// are left out: neighbours in a run depend on each other, and a bootstrap of them would be too sure of
// itself.
std::vector<SpeedComparison> compare_cells(const BenchCell& a, const BenchCell& b);

// Every cell of `a` that has its like in `b`. kMismatch if none has.
Result<std::vector<SpeedComparison>> compare_documents(const BenchDocument& a, const BenchDocument& b);

// The first two variants of one document, shape by shape.
std::vector<SpeedComparison> compare_variants(const std::vector<BenchCell>& cells);

// Comparisons whose slowdown is beyond 1 + `most`, in the median and with the whole interval above 1.
size_t count_beyond(const std::vector<SpeedComparison>& comparisons, double most);

// What makes two documents hard to compare: another CPU, other kernels, another compiler. One line each.
std::vector<std::string> differing_circumstances(const BenchDocument& a, const BenchDocument& b);

std::string comparison_table(const std::vector<SpeedComparison>& comparisons);
nlohmann::ordered_json to_json(const std::vector<SpeedComparison>& comparisons);

}  // namespace gemma
