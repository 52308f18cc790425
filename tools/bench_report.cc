#include "tools/bench_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/buffer.h"

namespace gemma {
namespace {

constexpr char kNotAvailable[] = "not available";

std::string or_not(const std::string& text) {
  return text.empty() ? kNotAvailable : text;
}

std::string line(const char* name, const std::string& value) {
  return fmt::format("{:<14}{}\n", name, value);
}

// Seconds as milliseconds, rates as they are.
struct Shown {
  double factor;
  const char* unit;
};
Shown shown(const MetricInfo& metric) {
  return metric.rate ? Shown{1, "tokens/s"} : Shown{1e3, "ms"};
}

std::string seconds_text(double seconds) {
  return fmt::format("{:.3f} s", seconds);
}

std::string bandwidth_text(const BenchCell& cell, const Limits& limits) {
  if (cell.of(Metric::kDecodeRate).empty()) return kNotAvailable;
  const std::optional<double> limit = limits.bandwidth_of(cell.key.threads);
  const std::string share = limit ? fmt::format(", {:.0f} % of the {:.1f} GB/s that {} thread{} can read",
                                                100 * cell.decode_bandwidth() / *limit, *limit * 1e-9,
                                                cell.key.threads, cell.key.threads == 1 ? "" : "s")
                                  : "";
  std::string text =
      fmt::format("{:.2f} GB/s ({} of weights and {} of KV per token{})", cell.decode_bandwidth() * 1e-9,
                  format_bytes(cell.weight_bytes_per_token), format_bytes(cell.kv_bytes_per_token), share);
  if (const std::optional<double> beside = cell.share_of_reads()) {
    text += fmt::format(
        "\n  {:<14}{:.0f} % of what reading the weights and nothing else gave after each run ({:.2f} GB/s)",
        "", 100 * *beside, summarize(cell.reads_between_runs).p50 * 1e-9);
  }
  return text;
}

std::string cell_text(const BenchCell& cell, const Limits& limits) {
  const BenchKey& key = cell.key;
  std::string text = fmt::format("\n{}, {}, {} thread{}, {} KV, {}\nprompt {} tokens{}, {} new, depth {}\n",
                                 key.model, key.scheme, key.threads, key.threads == 1 ? "" : "s",
                                 cell.kv_type, cell.kernels, key.prompt_tokens,
                                 key.all_layers ? " (all layers of each)" : "", key.new_tokens, key.depth);
  text += fmt::format("  {:<32}{:>6}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "", "n", "mean",
                      "stdev", "min", "p50", "p90", "p95", "p99", "max");
  for (size_t i = 0; i < kMetrics; ++i) {
    const MetricInfo& metric = info(static_cast<Metric>(i));
    const Summary s = summarize(cell.samples[i]);
    if (s.n == 0) continue;
    const Shown how = shown(metric);
    text += fmt::format("  {:<32}{:>6}", fmt::format("{}, {}", metric.title, how.unit), s.n);
    for (const double value : {s.mean, s.stdev, s.min, s.p50, s.p90, s.p95, s.p99, s.max}) {
      text += fmt::format("{:>10.4g}", value * how.factor);
    }
    text += "\n";
  }
  text += "  " + line("load", fmt::format("{} warm, {} cold", seconds_text(cell.load_warm_seconds),
                                          cell.load_cold_seconds ? seconds_text(*cell.load_cold_seconds)
                                                                 : kNotAvailable));
  text += "  " + line("peak RSS",
                      fmt::format("{} in the runs, {} while loading", format_bytes(cell.peak_resident_bytes),
                                  format_bytes(cell.load_peak_bytes)));
  text += "  " + line("decode reads", bandwidth_text(cell, limits));
  text += "  " + line("energy", cell.joules_per_token ? fmt::format("{:.4g} J/token", *cell.joules_per_token)
                                                      : kNotAvailable);
  return text;
}

// A field of a CSV line; quoted where it must be.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

// A cell of a markdown table.
std::string in_cell(std::string text) {
  for (size_t at = text.find('|'); at != text.npos; at = text.find('|', at + 2)) text.insert(at, "\\");
  return text;
}

}  // namespace

std::string machine_text(const Machine& m) {
  std::string text;
  text += line("CPU", fmt::format("{}, {} core{}, {} CPU{}, SMT {}", or_not(m.cpu), m.cores,
                                  m.cores == 1 ? "" : "s", m.cpus, m.cpus == 1 ? "" : "s", or_not(m.smt)));
  text += line("frequency", fmt::format("{:.2f} GHz measured, governor {}", m.gigahertz, or_not(m.governor)));
  text += line("memory", fmt::format("{}, last cache {}, huge pages {}", format_bytes(m.memory_bytes),
                                     format_bytes(m.cache_bytes), or_not(m.huge_pages)));
  text += line("kernels for", fmt::format("{}", fmt::join(m.isas, ", ")));
  text += line("system", fmt::format("{}, load {:.2f} at the start", or_not(m.kernel), m.load_average));
  text += line("built with", fmt::format("{}, {}", m.compiler, m.flags));
  return text;
}

std::string limits_text(const Limits& limits, const Machine& m) {
  if (limits.noise.n == 0) return {};  // --no-limits
  std::string text;
  for (const ReadBandwidth& one : limits.bandwidth) {
    text +=
        line("reads", fmt::format("{:.2f} GB/s with {} thread{}, at best (median {:.2f})", one.best * 1e-9,
                                  one.threads, one.threads == 1 ? "" : "s", one.median * 1e-9));
  }
  const auto peak = [&](const std::optional<double>& rate) {
    return rate ? fmt::format("{:.1f} GMAC/s per thread, {:.1f} per cycle", *rate * 1e-9,
                              *rate * 1e-9 / m.gigahertz)
                : kNotAvailable;
  };
  text += line("multiplies", fmt::format("with {}", or_not(limits.isa)));
  text += line("int8", peak(limits.int8_macs_per_second));
  text += line("float32", peak(limits.float_macs_per_second));
  text += line("noise",
               fmt::format("a fixed {:.2f} ms of work: 1 in 100 takes {:.1f} % longer, the longest of {} "
                           "{:.1f} %",
                           limits.noise.median_seconds * 1e3, 100 * (limits.noise.p99_over_median - 1),
                           limits.noise.n, 100 * (limits.noise.max_over_median - 1)));
  return text;
}

std::string bench_table(const BenchDocument& document) {
  std::string text = line("date", document.date) + line("command", document.command);
  text += machine_text(document.machine) + limits_text(document.limits, document.machine);
  for (const BenchCell& cell : document.cells) text += cell_text(cell, document.limits);
  return text;
}

std::string bench_markdown(const BenchDocument& document) {
  std::string text = fmt::format(
      "`{}`\n\n{}, {} cores, {:.2f} GHz, {}, {}{}\n\n", document.command, document.machine.cpu,
      document.machine.cores, document.machine.gigahertz, document.machine.kernel, document.machine.compiler,
      document.limits.noise.n == 0
          ? ""
          : fmt::format("; noise floor {:.1f} % (p99)", 100 * (document.limits.noise.p99_over_median - 1)));
  text +=
      "| model | scheme | threads | prompt | its layers | new | depth | TTFT p50 ms | p95 | ITL p50 ms | p95 "
      "| p99 | "
      "prefill tok/s | decode tok/s | of read limit | peak RSS | J/token |\n"
      "|---|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
  for (const BenchCell& cell : document.cells) {
    const Summary ttft = summarize(cell.of(Metric::kTimeToFirstToken));
    const Summary gap = summarize(cell.of(Metric::kInterTokenLatency));
    const std::optional<double> limit = document.limits.bandwidth_of(cell.key.threads);
    text += fmt::format(
        "| {} | {} | {} | {} | {} | {} | {} | {:.4g} | {:.4g} | {:.4g} | {:.4g} | {:.4g} | {:.4g} | {:.4g} | "
        "{} | "
        "{} | {} |\n",
        in_cell(cell.key.model), in_cell(cell.key.scheme), cell.key.threads, cell.key.prompt_tokens,
        cell.key.all_layers ? "all" : "needed", cell.key.new_tokens, cell.key.depth, ttft.p50 * 1e3,
        ttft.p95 * 1e3, gap.p50 * 1e3, gap.p95 * 1e3, gap.p99 * 1e3,
        summarize(cell.of(Metric::kPrefillRate)).p50, summarize(cell.of(Metric::kDecodeRate)).p50,
        limit ? fmt::format("{:.0f} %", 100 * cell.decode_bandwidth() / *limit) : kNotAvailable,
        format_bytes(cell.peak_resident_bytes),
        cell.joules_per_token ? fmt::format("{:.4g}", *cell.joules_per_token) : kNotAvailable);
  }
  return text;
}

std::string bench_csv(const BenchDocument& document) {
  std::string text =
      "model,scheme,threads,prompt_tokens,new_tokens,depth,all_layers,kernels,kv_type,load_warm_seconds,load_"
      "cold_"
      "seconds,"
      "peak_resident_bytes,joules_per_token,metric,unit,n,mean,stdev,min,p50,p90,p95,p99,max\r\n";
  for (const BenchCell& cell : document.cells) {
    for (size_t i = 0; i < kMetrics; ++i) {
      const MetricInfo& metric = info(static_cast<Metric>(i));
      const Summary s = summarize(cell.samples[i]);
      if (s.n == 0) continue;
      text += fmt::format(
          "{},{},{},{},{},{},{},{},{},{:.6g},{},{},{},{},{},{},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:."
          "6g},"
          "{:.6g}\r\n",
          field(cell.key.model), field(cell.key.scheme), cell.key.threads, cell.key.prompt_tokens,
          cell.key.new_tokens, cell.key.depth, cell.key.all_layers ? 1 : 0, cell.kernels, cell.kv_type,
          cell.load_warm_seconds,
          cell.load_cold_seconds ? fmt::format("{:.6g}", *cell.load_cold_seconds) : "",
          cell.peak_resident_bytes,
          cell.joules_per_token ? fmt::format("{:.6g}", *cell.joules_per_token) : "", metric.name,
          metric.unit, s.n, s.mean, s.stdev, s.min, s.p50, s.p90, s.p95, s.p99, s.max);
    }
  }
  return text;
}

}  // namespace gemma
