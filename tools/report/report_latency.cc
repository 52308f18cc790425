// Latency: distributions, not means.
#include <fmt/format.h>

#include "loader/format_bytes.h"
#include "tools/report/chart_scale.h"
#include "tools/report/html_table.h"
#include "tools/report/report_sections.h"
#include "tools/report/row_chart.h"

namespace gemma {
namespace {

constexpr double kMilli = 1e3;

// What tells the cells of one document apart, beyond model and scheme.
std::string setting_of(const BenchCell& cell, const BenchDocument& document) {
  std::string out;
  const auto differs = [&](auto field) {
    for (const BenchCell& other : document.cells) {
      if (field(other.key) != field(cell.key)) return true;
    }
    return false;
  };
  if (differs([](const BenchKey& key) { return key.threads; }))
    out += fmt::format(", {} threads", cell.key.threads);
  if (differs([](const BenchKey& key) { return key.prompt_tokens; })) {
    out += fmt::format(", prompt {}", cell.key.prompt_tokens);
  }
  if (differs([](const BenchKey& key) { return key.new_tokens; }))
    out += fmt::format(", {} new", cell.key.new_tokens);
  if (differs([](const BenchKey& key) { return key.depth; }))
    out += fmt::format(", depth {}", cell.key.depth);
  if (cell.key.all_layers) out += ", all layers";
  return out;
}

Markup distribution(const BenchDocument& document, Metric metric, const std::string& title,
                    const VariantLabels& labels) {
  RowChart chart;
  chart.title = title;
  chart.axis_title = info(metric).rate ? std::string(info(metric).unit) : "ms";
  chart.caption = "Histogram of all samples; dot: median, ticks: 95th and 99th percentile.";
  chart.log = true;
  chart.zero = true;
  const double factor = info(metric).rate ? 1 : kMilli;
  for (const BenchCell& cell : document.cells) {
    if (cell.of(metric).empty()) continue;
    const VariantName name = {cell.key.model, cell.key.scheme};
    const Summary s = summarize(cell.of(metric));
    ChartRow row;
    row.label = labels.of(name) + setting_of(cell, document);
    row.colour = labels.colour(name);
    row.figure = fmt::format("{} · p99 {}", number_text(factor * s.p50, 3), number_text(factor * s.p99, 3));
    for (const double sample : cell.of(metric)) row.samples.push_back(factor * sample);
    row.marks = {{factor * s.p50, false, "median " + number_text(factor * s.p50)},
                 {factor * s.p95, true, "95th percentile " + number_text(factor * s.p95)},
                 {factor * s.p99, true, "99th percentile " + number_text(factor * s.p99)}};
    chart.rows.push_back(std::move(row));
  }
  return row_figure(chart);
}

Markup table_of(const BenchDocument& document, const VariantLabels& labels) {
  HtmlTable table(
      fmt::format("{} warm-up runs, at most {} recorded; times in ms, rates in tokens/s",
                  document.settings.warmup, document.settings.runs),
      {"variant", "threads", "prompt", "new", "depth", "runs", "TTFT p50", "p95", "p99", "ITL p50", "p95",
       "p99", "max", "prefill p50", "decode p50", "load warm, s", "cold", "peak RSS", "J/token"});
  for (const BenchCell& cell : document.cells) {
    const Summary first = summarize(cell.of(Metric::kTimeToFirstToken));
    const Summary gap = summarize(cell.of(Metric::kInterTokenLatency));
    const auto ms = [](const Summary& s, double value) {
      return s.n == 0 ? "" : number_text(kMilli * value);
    };
    const auto rate = [&](Metric metric) {
      const Summary s = summarize(cell.of(metric));
      return s.n == 0 ? "" : number_text(s.p50);
    };
    table.row(
        {labels.of({cell.key.model, cell.key.scheme}), fmt::format("{}", cell.key.threads),
         fmt::format("{}{}", cell.key.prompt_tokens, cell.key.all_layers ? ", all layers" : ""),
         fmt::format("{}", cell.key.new_tokens), fmt::format("{}", cell.key.depth),
         fmt::format("{}", cell.of(Metric::kEndToEnd).size()), ms(first, first.p50), ms(first, first.p95),
         ms(first, first.p99), ms(gap, gap.p50), ms(gap, gap.p95), ms(gap, gap.p99), ms(gap, gap.max),
         rate(Metric::kPrefillRate), rate(Metric::kDecodeRate), number_text(cell.load_warm_seconds, 3),
         number_text(cell.load_cold_seconds.value_or(kUnknown), 3), format_bytes(cell.peak_resident_bytes),
         number_text(cell.joules_per_token.value_or(kUnknown), 3)});
  }
  return table.finish();
}

}  // namespace

Markup latency_section(const ReportData& data, const VariantLabels& labels) {
  Markup out;
  for (const BenchData& bench : data.benches) {
    const BenchDocument& document = bench.document;
    if (document.cells.empty()) continue;
    std::string noise;
    if (document.limits.noise.n > 0) {
      noise = fmt::format(
          " A fixed piece of work took {:.1f} % longer than its median once in a hundred times: "
          "smaller differences need many runs.",
          100 * (document.limits.noise.p99_over_median - 1));
    }
    out += markup(
        "<section><h2>Latency</h2>\n<p>{}, measured by gemma-bench.{}</p>\n<div "
        "class=\"figures\">{}{}</div>\n{}"
        "</section>\n",
        document.machine.cpu.empty() ? "A machine that does not tell its CPU" : document.machine.cpu, noise,
        distribution(document, Metric::kTimeToFirstToken, "Time to the first token", labels),
        distribution(document, Metric::kInterTokenLatency, "Time between tokens", labels),
        table_of(document, labels));
  }
  return out;
}

}  // namespace gemma
