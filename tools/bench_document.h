// What gemma-bench has measured, as one document: the machine, its limits, and every cell of the grid with
// all its samples. Written and read as JSON; docs/gemma-bench.md describes the schema.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "loader/result.h"
#include "tools/bench_machine.h"
#include "tools/bench_statistics.h"

namespace gemma {

inline constexpr int kBenchSchema = 1;

enum class Metric {
  kTimeToFirstToken,
  kInterTokenLatency,
  kTimePerOutputToken,
  kPrefillRate,
  kDecodeRate,
  kEndToEnd
};
inline constexpr size_t kMetrics = 6;

struct MetricInfo {
  std::string_view name;   // in JSON and CSV: "time_to_first_token"
  std::string_view title;  // for people
  std::string_view unit;   // "s", "tokens/s"
  bool rate;               // more is better; else less is
};
const MetricInfo& info(Metric metric);

// What tells cells apart.
struct BenchKey {
  std::string model, scheme;
  size_t threads = 0;
  size_t prompt_tokens = 0, new_tokens = 0;
  size_t depth = 0;         // positions already in the cache
  bool all_layers = false;  // for every token of the prompt, though no logits are wanted of most
  bool operator==(const BenchKey&) const = default;
};

struct BenchCell {
  BenchKey key;
  std::string kernels, kv_type;
  double load_warm_seconds = 0;  // the files in the page cache
  std::optional<double>
      load_cold_seconds;                // after they were dropped from it; absent where that is not possible
  uint64_t load_peak_bytes = 0;         // of the resident set
  uint64_t peak_resident_bytes = 0;     // of the measured runs
  uint64_t weight_bytes_per_token = 0;  // engine/decode_traffic.h
  uint64_t kv_bytes_per_token = 0;      // half-way through the new tokens
  std::optional<double> joules_per_token;  // of decoding
  std::vector<double>
      reads_between_runs;  // bytes per second of reading weights and doing nothing else, one per run
  std::array<std::vector<double>, kMetrics>
      samples;  // by Metric; one per run, inter-token latency one per gap

  const std::vector<double>& of(Metric metric) const { return samples[static_cast<size_t>(metric)]; }
  std::vector<double>& of(Metric metric) { return samples[static_cast<size_t>(metric)]; }
  // Bytes per second that decoding reads at its median rate.
  double decode_bandwidth() const;
  // The median of what decoding reads in a run over what reading alone gave right after it.
  std::optional<double> share_of_reads() const;
};

struct BenchSettings {
  size_t warmup = 5, runs = 50;
  double time_budget_seconds = 0;  // 0: none
  bool abba = false;
};

struct BenchDocument {
  std::string version, command, date;  // date: UTC, "2026-01-31T12:00:00Z"
  Machine machine;
  Limits limits;
  BenchSettings settings;
  std::vector<BenchCell> cells;
};

nlohmann::ordered_json to_json(const BenchDocument& document);
nlohmann::ordered_json to_json(const Machine& machine);
nlohmann::ordered_json to_json(const Limits& limits);

// kInvalidFile for anything that is not such a document, kUnsupported for another schema.
Result<BenchDocument> read_document(const std::string& path);
Result<BenchDocument> parse_document(const nlohmann::json& json, const std::string& where);
// The machine alone, as to_json wrote it.
Result<Machine> parse_machine(const nlohmann::json& json, const std::string& where);

}  // namespace gemma
