#include "tools/bench_compare.h"

#include <algorithm>

#include <fmt/format.h>

namespace gemma {
namespace {

constexpr uint64_t kSeed = 1;  // of the bootstrap: the same documents give the same verdict

std::string name_of(const BenchKey& key) {
  return fmt::format("{} {} {}t p{} n{} d{}{}", key.model, key.scheme, key.threads, key.prompt_tokens,
                     key.new_tokens, key.depth, key.all_layers ? " all layers" : "");
}

bool same_shape(const BenchKey& a, const BenchKey& b) {
  return a.prompt_tokens == b.prompt_tokens && a.new_tokens == b.new_tokens && a.depth == b.depth &&
         a.all_layers == b.all_layers;
}

bool same_variant(const BenchKey& a, const BenchKey& b) {
  return a.model == b.model && a.scheme == b.scheme && a.threads == b.threads;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kFaster:
      return "faster";
    case Verdict::kSlower:
      return "slower";
    case Verdict::kNoDifference:
      return "no difference shown";
  }
  return "?";
}

std::vector<SpeedComparison> compare_cells(const BenchCell& a, const BenchCell& b) {
  std::vector<SpeedComparison> all;
  for (size_t i = 0; i < kMetrics; ++i) {
    const Metric metric = static_cast<Metric>(i);
    if (metric == Metric::kInterTokenLatency || a.samples[i].empty() || b.samples[i].empty()) continue;
    SpeedComparison one;
    one.a = a.key;
    one.b = b.key;
    one.metric = metric;
    one.median_a = summarize(a.samples[i]).p50;
    one.median_b = summarize(b.samples[i]).p50;
    const bool rate = info(metric).rate;
    one.slowdown = rate ? ratio_of_medians(b.samples[i], a.samples[i], kSeed)
                        : ratio_of_medians(a.samples[i], b.samples[i], kSeed);
    one.verdict = one.slowdown.low > 1    ? Verdict::kSlower
                  : one.slowdown.high < 1 ? Verdict::kFaster
                                          : Verdict::kNoDifference;
    all.push_back(std::move(one));
  }
  return all;
}

Result<std::vector<SpeedComparison>> compare_documents(const BenchDocument& a, const BenchDocument& b) {
  std::vector<SpeedComparison> all;
  for (const BenchCell& cell : a.cells) {
    const auto like = std::find_if(b.cells.begin(), b.cells.end(),
                                   [&](const BenchCell& other) { return other.key == cell.key; });
    if (like == b.cells.end()) continue;
    for (SpeedComparison& one : compare_cells(cell, *like)) all.push_back(std::move(one));
  }
  if (all.empty()) {
    return fail(ErrorCode::kMismatch, "compare", "no cell of one document has its like in the other",
                "both need the same model, scheme, threads, prompt, new tokens, depth and --all-layers");
  }
  return all;
}

std::vector<SpeedComparison> compare_variants(const std::vector<BenchCell>& cells) {
  std::vector<SpeedComparison> all;
  if (cells.empty()) return all;
  const BenchKey& first = cells.front().key;
  const auto second = std::find_if(cells.begin(), cells.end(),
                                   [&](const BenchCell& cell) { return !same_variant(cell.key, first); });
  if (second == cells.end()) return all;
  for (const BenchCell& a : cells) {
    if (!same_variant(a.key, first)) continue;
    for (const BenchCell& b : cells) {
      if (!same_variant(b.key, second->key) || !same_shape(a.key, b.key)) continue;
      for (SpeedComparison& one : compare_cells(a, b)) all.push_back(std::move(one));
    }
  }
  return all;
}

size_t count_beyond(const std::vector<SpeedComparison>& comparisons, double most) {
  return static_cast<size_t>(std::count_if(
      comparisons.begin(), comparisons.end(),
      [&](const SpeedComparison& one) { return one.slowdown.ratio > 1 + most && one.slowdown.low > 1; }));
}

std::vector<std::string> differing_circumstances(const BenchDocument& a, const BenchDocument& b) {
  std::vector<std::string> lines;
  const auto check = [&](const char* what, const std::string& left, const std::string& right) {
    if (left != right) lines.push_back(fmt::format("{} differs: {} and {}", what, left, right));
  };
  check("CPU", a.machine.cpu, b.machine.cpu);
  check("compiler", a.machine.compiler, b.machine.compiler);
  check("compiler's flags", a.machine.flags, b.machine.flags);
  check("governor", a.machine.governor, b.machine.governor);
  for (const BenchCell& cell : a.cells) {
    for (const BenchCell& other : b.cells) {
      if (other.key == cell.key && other.kernels != cell.kernels) {
        check("instruction set", cell.kernels, other.kernels);
        return lines;
      }
    }
  }
  return lines;
}

std::string comparison_table(const std::vector<SpeedComparison>& comparisons) {
  std::string text;
  std::string last;
  for (const SpeedComparison& one : comparisons) {
    const std::string a = name_of(one.a), b = name_of(one.b);
    const std::string heading = a == b ? a : "a  " + a + "\nb  " + b;
    if (heading != last) {
      text += fmt::format("{}{}\n  {:<24}{:>14}{:>14}{:>12}  {:<18}verdict\n", text.empty() ? "" : "\n",
                          heading, "", "median a", "median b", "time b / a", "95 % interval");
    }
    last = heading;
    const MetricInfo& metric = info(one.metric);
    text +=
        fmt::format("  {:<24}{:>14.6g}{:>14.6g}{:>12.4f}  {:<18}{}{}\n",
                    fmt::format("{}, {}", metric.title, metric.unit), one.median_a, one.median_b,
                    one.slowdown.ratio, fmt::format("{:.4f} to {:.4f}", one.slowdown.low, one.slowdown.high),
                    one.verdict == Verdict::kNoDifference ? "" : "b is ", to_string(one.verdict));
  }
  return text;
}

nlohmann::ordered_json to_json(const std::vector<SpeedComparison>& comparisons) {
  const auto key_json = [](const BenchKey& key) -> nlohmann::ordered_json {
    return {{"model", key.model},           {"scheme", key.scheme},
            {"threads", key.threads},       {"prompt_tokens", key.prompt_tokens},
            {"new_tokens", key.new_tokens}, {"depth", key.depth},
            {"all_layers", key.all_layers}};
  };
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const SpeedComparison& one : comparisons) {
    all.push_back({{"a", key_json(one.a)},
                   {"b", key_json(one.b)},
                   {"metric", info(one.metric).name},
                   {"unit", info(one.metric).unit},
                   {"median_a", one.median_a},
                   {"median_b", one.median_b},
                   {"time_ratio", one.slowdown.ratio},
                   {"low", one.slowdown.low},
                   {"high", one.slowdown.high},
                   {"verdict", to_string(one.verdict)}});
  }
  return all;
}

}  // namespace gemma
