#include "tools/bench_document.h"

#include <cmath>

#include <fmt/format.h>

#include "loader/json.h"

namespace gemma {
namespace {

using Json = nlohmann::ordered_json;

constexpr MetricInfo kInfos[kMetrics] = {
    {"time_to_first_token", "time to first token", "s", false},
    {"inter_token_latency", "inter-token latency", "s", false},
    {"time_per_output_token", "time per output token", "s", false},
    {"prefill_rate", "prefill", "tokens/s", true},
    {"decode_rate", "decode", "tokens/s", true},
    {"end_to_end", "end to end", "s", false},
};

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

// Six digits are more than a clock gives, and keep the file readable.
double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double unit = std::pow(10.0, std::floor(std::log10(std::fabs(value))) - 5);
  return std::round(value / unit) * unit;
}

Json metric_json(const MetricInfo& metric, const std::vector<double>& samples) {
  const Summary s = summarize(samples);
  Json json = {{"unit", metric.unit}, {"n", s.n},     {"mean", s.mean}, {"stdev", s.stdev}, {"min", s.min},
               {"p50", s.p50},        {"p90", s.p90}, {"p95", s.p95},   {"p99", s.p99},     {"max", s.max}};
  json["samples"] = samples;
  return json;
}

Json cell_json(const BenchCell& cell, const Limits& limits) {
  Json json = {{"model", cell.key.model},
               {"scheme", cell.key.scheme},
               {"threads", cell.key.threads},
               {"prompt_tokens", cell.key.prompt_tokens},
               {"new_tokens", cell.key.new_tokens},
               {"depth", cell.key.depth},
               {"all_layers", cell.key.all_layers},
               {"kernels", cell.kernels},
               {"kv_type", cell.kv_type},
               {"load_warm_seconds", cell.load_warm_seconds},
               {"load_cold_seconds", or_null(cell.load_cold_seconds)},
               {"load_peak_bytes", cell.load_peak_bytes},
               {"peak_resident_bytes", cell.peak_resident_bytes},
               {"weight_bytes_per_token", cell.weight_bytes_per_token},
               {"kv_bytes_per_token", cell.kv_bytes_per_token},
               {"joules_per_token", or_null(cell.joules_per_token)}};
  const std::optional<double> limit = limits.bandwidth_of(cell.key.threads);
  json["decode_bytes_per_second"] = cell.decode_bandwidth();
  json["share_of_bandwidth_limit"] = limit ? Json(cell.decode_bandwidth() / *limit) : Json();
  json["reads_between_runs"] = cell.reads_between_runs;
  json["share_of_reads_between_runs"] = or_null(cell.share_of_reads());
  for (size_t i = 0; i < kMetrics; ++i) {
    json["metrics"][std::string(kInfos[i].name)] = metric_json(kInfos[i], cell.samples[i]);
  }
  return json;
}

template <typename T>
std::optional<T> optional_of(const nlohmann::json& json, const char* key) {
  const nlohmann::json& value = json.at(key);
  return value.is_null() ? std::nullopt : std::optional<T>(value.get<T>());
}

// All read functions throw nlohmann's exceptions on what is missing or of another type.
Machine machine_of(const nlohmann::json& json) {
  Machine machine;
  json.at("cpu").get_to(machine.cpu);
  json.at("cpus").get_to(machine.cpus);
  json.at("cores").get_to(machine.cores);
  json.at("smt").get_to(machine.smt);
  json.at("governor").get_to(machine.governor);
  json.at("gigahertz").get_to(machine.gigahertz);
  json.at("last_cache_bytes").get_to(machine.cache_bytes);
  json.at("memory_bytes").get_to(machine.memory_bytes);
  json.at("huge_pages").get_to(machine.huge_pages);
  json.at("kernel").get_to(machine.kernel);
  json.at("compiler").get_to(machine.compiler);
  json.at("flags").get_to(machine.flags);
  json.at("isas").get_to(machine.isas);
  json.at("load_average").get_to(machine.load_average);
  return machine;
}

Limits limits_of(const nlohmann::json& json) {
  Limits limits;
  const nlohmann::json& noise = json.at("noise_floor");
  noise.at("n").get_to(limits.noise.n);
  noise.at("median_seconds").get_to(limits.noise.median_seconds);
  noise.at("p99_over_median").get_to(limits.noise.p99_over_median);
  noise.at("max_over_median").get_to(limits.noise.max_over_median);
  limits.isa = json.value("isa", "");
  json.at("read_buffer_bytes").get_to(limits.read_bytes);
  for (const nlohmann::json& one : json.at("read_bandwidth")) {
    const double best = one.at("bytes_per_second").get<double>();
    limits.bandwidth.push_back(
        {one.at("threads").get<size_t>(), best, one.value("median_bytes_per_second", best)});
  }
  limits.int8_macs_per_second = optional_of<double>(json, "int8_macs_per_second");
  limits.float_macs_per_second = optional_of<double>(json, "float_macs_per_second");
  return limits;
}

BenchCell cell_of(const nlohmann::json& json) {
  BenchCell cell;
  json.at("model").get_to(cell.key.model);
  json.at("scheme").get_to(cell.key.scheme);
  json.at("threads").get_to(cell.key.threads);
  json.at("prompt_tokens").get_to(cell.key.prompt_tokens);
  json.at("new_tokens").get_to(cell.key.new_tokens);
  json.at("depth").get_to(cell.key.depth);
  cell.key.all_layers = json.value("all_layers", false);
  json.at("kernels").get_to(cell.kernels);
  json.at("kv_type").get_to(cell.kv_type);
  json.at("load_warm_seconds").get_to(cell.load_warm_seconds);
  cell.load_cold_seconds = optional_of<double>(json, "load_cold_seconds");
  json.at("load_peak_bytes").get_to(cell.load_peak_bytes);
  json.at("peak_resident_bytes").get_to(cell.peak_resident_bytes);
  json.at("weight_bytes_per_token").get_to(cell.weight_bytes_per_token);
  json.at("kv_bytes_per_token").get_to(cell.kv_bytes_per_token);
  cell.joules_per_token = optional_of<double>(json, "joules_per_token");
  cell.reads_between_runs = json.value("reads_between_runs", std::vector<double>());
  for (size_t i = 0; i < kMetrics; ++i) {
    json.at("metrics").at(std::string(kInfos[i].name)).at("samples").get_to(cell.samples[i]);
  }
  return cell;
}

}  // namespace

const MetricInfo& info(Metric metric) {
  return kInfos[static_cast<size_t>(metric)];
}

double BenchCell::decode_bandwidth() const {
  const Summary rate = summarize(of(Metric::kDecodeRate));
  return rate.p50 * static_cast<double>(weight_bytes_per_token + kv_bytes_per_token);
}

std::optional<double> BenchCell::share_of_reads() const {
  const std::vector<double>& rates = of(Metric::kDecodeRate);
  if (reads_between_runs.empty() || reads_between_runs.size() != rates.size()) return std::nullopt;
  std::vector<double> shares(rates.size());
  for (size_t i = 0; i < rates.size(); ++i) {
    if (!(reads_between_runs[i] > 0)) return std::nullopt;
    shares[i] =
        rates[i] * static_cast<double>(weight_bytes_per_token + kv_bytes_per_token) / reads_between_runs[i];
  }
  return summarize(shares).p50;
}

Json to_json(const Machine& m) {
  return {{"cpu", m.cpu},
          {"cpus", m.cpus},
          {"cores", m.cores},
          {"smt", m.smt},
          {"governor", m.governor},
          {"gigahertz", m.gigahertz},
          {"last_cache_bytes", m.cache_bytes},
          {"memory_bytes", m.memory_bytes},
          {"huge_pages", m.huge_pages},
          {"kernel", m.kernel},
          {"compiler", m.compiler},
          {"flags", m.flags},
          {"isas", m.isas},
          {"load_average", m.load_average}};
}

Json to_json(const Limits& limits) {
  Json bandwidth = Json::array();
  for (const ReadBandwidth& one : limits.bandwidth) {
    bandwidth.push_back(
        {{"threads", one.threads}, {"bytes_per_second", one.best}, {"median_bytes_per_second", one.median}});
  }
  return {{"noise_floor",
           {{"n", limits.noise.n},
            {"median_seconds", limits.noise.median_seconds},
            {"p99_over_median", limits.noise.p99_over_median},
            {"max_over_median", limits.noise.max_over_median}}},
          {"isa", limits.isa},
          {"read_buffer_bytes", limits.read_bytes},
          {"read_bandwidth", std::move(bandwidth)},
          {"int8_macs_per_second", or_null(limits.int8_macs_per_second)},
          {"float_macs_per_second", or_null(limits.float_macs_per_second)}};
}

Json to_json(const BenchDocument& document) {
  Json cells = Json::array();
  for (BenchCell cell : document.cells) {
    for (std::vector<double>& samples : cell.samples) {
      for (double& sample : samples) sample = rounded(sample);
    }
    cells.push_back(cell_json(cell, document.limits));
  }
  return {{"schema", kBenchSchema},
          {"program", "gemma-bench"},
          {"version", document.version},
          {"command", document.command},
          {"date", document.date},
          {"machine", to_json(document.machine)},
          {"limits", to_json(document.limits)},
          {"settings",
           {{"warmup", document.settings.warmup},
            {"runs", document.settings.runs},
            {"time_budget_seconds", document.settings.time_budget_seconds},
            {"abba", document.settings.abba}}},
          {"cells", std::move(cells)}};
}

Result<Machine> parse_machine(const nlohmann::json& json, const std::string& where) {
  try {
    return machine_of(json);
  } catch (const nlohmann::json::exception& error) {
    return fail(ErrorCode::kInvalidFile, where, error.what(), "expected what the programs' --json wrote");
  }
}

Result<BenchDocument> parse_document(const nlohmann::json& json, const std::string& where) {
  constexpr char kHint[] = "expected what gemma-bench --format json wrote";
  try {
    if (!json.is_object() || json.value("program", "") != "gemma-bench") {
      return fail(ErrorCode::kInvalidFile, where, "is no document of gemma-bench", kHint);
    }
    const int schema = json.at("schema").get<int>();
    if (schema != kBenchSchema) {
      return fail(ErrorCode::kUnsupported, where,
                  fmt::format("expected schema {}, found {}", kBenchSchema, schema),
                  "measure again with this version");
    }
    BenchDocument document;
    json.at("version").get_to(document.version);
    json.at("command").get_to(document.command);
    json.at("date").get_to(document.date);
    document.machine = machine_of(json.at("machine"));
    document.limits = limits_of(json.at("limits"));
    const nlohmann::json& settings = json.at("settings");
    settings.at("warmup").get_to(document.settings.warmup);
    settings.at("runs").get_to(document.settings.runs);
    settings.at("time_budget_seconds").get_to(document.settings.time_budget_seconds);
    settings.at("abba").get_to(document.settings.abba);
    for (const nlohmann::json& cell : json.at("cells")) {
      document.cells.push_back(cell_of(cell));
      for (const std::vector<double>& samples : document.cells.back().samples) {
        for (const double sample : samples) {
          if (!(sample > 0)) return fail(ErrorCode::kInvalidFile, where, "a sample is not above 0", kHint);
        }
      }
    }
    return document;
  } catch (const nlohmann::json::exception& error) {
    return fail(ErrorCode::kInvalidFile, where, error.what(), kHint);
  }
}

Result<BenchDocument> read_document(const std::string& path) {
  Result<nlohmann::json> json = read_json(path);
  if (!json) return fail(std::move(json.error()));
  return parse_document(*json, path);
}

}  // namespace gemma
