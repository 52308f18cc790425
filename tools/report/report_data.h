// What the documents of gemma-eval and gemma-bench say, checked and in one form: the input of a report.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "loader/result.h"
#include "tools/bench_document.h"

namespace gemma {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// A document: where it came from and, as far as it tells, how and on what it was measured.
struct ReportSource {
  std::string file;  // as it was given
  std::string kind;  // "comparison", "perplexity", "layers", "sensitivity", "accuracy", "memory", "bench"
  std::string command, date, version;
  std::optional<Machine> machine;
  std::vector<std::string> notes;
};

struct VariantName {
  std::string model, scheme;
  bool operator==(const VariantName&) const = default;
};

// A text, cut into windows: figures of the same cut can be compared.
struct TextCut {
  std::string path, text_hash, token_hash, definition;
  uint64_t max_length = 0, windows = 0, tokens = 0;
};

struct Estimate {
  double value = kUnknown, error = kUnknown;  // one standard error
};

struct ComparedVariant {
  VariantName name;
  Estimate perplexity;
  double decode_rate = kUnknown, rate = kUnknown;  // tokens/s
  uint64_t weight_bytes = 0, kv_bytes = 0, scratch_bytes = 0;
  uint64_t bytes() const { return weight_bytes + kv_bytes + scratch_bytes; }
  // Against the base; of the base itself 1, 0, 1.
  Estimate ratio{1, 0}, divergence{0, 0};  // of perplexities, its error by windows; nats
  std::vector<std::pair<double, double>> divergence_percentiles;  // percentile, nats
  double divergence_max = 0;
  double same_top = 1;
  std::array<double, 2> same_top_interval = {1, 1};
};

struct ComparisonData {
  size_t source = 0;
  TextCut cut;
  std::vector<ComparedVariant> variants;  // the base first
  std::vector<std::string> missed;        // limits
};

struct PerplexityData {
  size_t source = 0;
  VariantName name;
  TextCut cut;
  Estimate perplexity;
  double rate = kUnknown;
};

struct LayersData {
  size_t source = 0;
  std::string model, base, scheme;
  std::string text_path;
  struct Row {
    double max_abs = kUnknown, relative_l2 = kUnknown, cosine = kUnknown, snr_db = kUnknown;
  };
  std::vector<Row> layers;
  Row logits;
  Estimate divergence;
};

struct SensitivityData {
  size_t source = 0;
  bool by_layer = false;  // else by class
  std::string model, base, scheme;
  struct Row {
    std::string name, scheme;
    std::optional<size_t> layer;
    uint64_t weights = 0;
    Estimate divergence, ratio;
    double same_top = kUnknown;
  };
  std::vector<Row> classes;
};

struct AccuracyData {
  size_t source = 0;
  bool choice = false;  // multiple choice, else free answers
  uint64_t questions = 0;
  std::vector<std::string> files;
  struct Score {
    std::string name;
    double value = kUnknown, low = kUnknown, high = kUnknown;  // 0 .. 1
  };
  struct Variant {
    VariantName name;
    std::vector<Score> scores;
  };
  std::vector<Variant> variants;
  struct Test {
    std::string name;
    double difference = kUnknown, low = kUnknown, high = kUnknown;
    std::optional<double> p;  // McNemar's
  };
  std::vector<Test> tests;  // of the second variant against the first
  struct Limit {
    std::string option;
    double limit = 0, value = 0;
    bool met = false;
  };
  std::vector<Limit> limits;
};

struct MemoryData {
  size_t source = 0;
  VariantName name;
  uint64_t context = 0, tokens = 0;
  bool forecast = false;
  std::map<std::string, uint64_t> parts;    // resident bytes, by the document's names of parts
  std::map<std::string, uint64_t> classes;  // of weights
  int64_t unaccounted = 0;
  uint64_t unaccounted_limit = 0;
  uint64_t peak = 0;
  std::vector<std::pair<std::string, uint64_t>> phases;  // peak of each
  std::optional<uint64_t> limit;
};

struct BenchData {
  size_t source = 0;
  BenchDocument document;
};

struct ReportData {
  std::vector<ReportSource> sources;
  std::vector<ComparisonData> comparisons;
  std::vector<PerplexityData> perplexities;
  std::vector<LayersData> layers;
  std::vector<SensitivityData> sensitivities;
  std::vector<AccuracyData> accuracies;
  std::vector<MemoryData> memories;
  std::vector<BenchData> benches;
};

// Adds a document. kInvalidFile (what was expected and found, and where) if it is none of ours or damaged,
// kUnsupported for another schema.
Result<void> add_document(const nlohmann::json& json, const std::string& file, ReportData& data);

}  // namespace gemma
