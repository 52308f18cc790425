// Comparisons: what a variant costs against what it loses, and how far its predictions moved.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "loader/format_bytes.h"
#include "tools/report/chart_scale.h"
#include "tools/report/html_table.h"
#include "tools/report/report_sections.h"
#include "tools/report/row_chart.h"
#include "tools/report/scatter_chart.h"

namespace gemma {
namespace {

constexpr double kSure = 1.96;  // standard errors to either side hold 95 %

// A rate of gemma-bench, if it measured all of these variants in one setting; else none.
std::vector<double> bench_rates(const ReportData& data, const ComparisonData& comparison) {
  for (const BenchData& bench : data.benches) {
    std::vector<double> rates;
    const BenchCell* setting = nullptr;
    for (const ComparedVariant& variant : comparison.variants) {
      for (const BenchCell& cell : bench.document.cells) {
        const bool same = setting == nullptr ||
                          (cell.key.threads == setting->key.threads && cell.key.depth == setting->key.depth &&
                           cell.key.prompt_tokens == setting->key.prompt_tokens &&
                           cell.key.new_tokens == setting->key.new_tokens &&
                           cell.key.all_layers == setting->key.all_layers);
        if (VariantName{cell.key.model, cell.key.scheme} != variant.name || !same) continue;
        if (cell.of(Metric::kDecodeRate).empty()) continue;
        setting = &cell;
        rates.push_back(summarize(cell.of(Metric::kDecodeRate)).p50);
        break;
      }
    }
    if (rates.size() == comparison.variants.size()) return rates;
  }
  return {};
}

ScatterPoint point_of(const ComparedVariant& variant, const VariantLabels& labels, bool base) {
  ScatterPoint point;
  point.label = labels.of(variant.name);
  point.colour = labels.colour(variant.name);
  point.base = base;
  point.y = 100 * (variant.ratio.value - 1);
  if (!base && std::isfinite(variant.ratio.error)) {
    point.y_low = point.y - 100 * kSure * variant.ratio.error;
    point.y_high = point.y + 100 * kSure * variant.ratio.error;
  }
  return point;
}

Markup trade_offs(const ReportData& data, const ComparisonData& comparison, const VariantLabels& labels) {
  const std::vector<double> measured = bench_rates(data, comparison);
  const std::string loss = "perplexity over the base’s, %";
  ScatterChart size{"What it loses against its size", "weights, MB", loss, false, {}};
  ScatterChart speed{"What it loses against its speed",
                     measured.empty() ? "tokens/s, writing" : "tokens/s, writing, median of gemma-bench",
                     loss,
                     true,
                     {}};
  for (size_t i = 0; i < comparison.variants.size(); ++i) {
    const ComparedVariant& variant = comparison.variants[i];
    ScatterPoint point = point_of(variant, labels, i == 0);
    const std::string lost = i == 0 ? "the base" : "perplexity " + signed_percent(variant.ratio.value - 1);
    point.x = variant.weight_bytes > 0 ? megabytes(variant.weight_bytes) : kUnknown;
    point.note = fmt::format("{}: {}, {} of weights", point.label, lost, format_bytes(variant.weight_bytes));
    size.points.push_back(point);
    point.x = measured.empty() ? variant.decode_rate : measured[i];
    point.note = fmt::format("{}: {}, {} tokens/s", point.label, lost, number_text(point.x, 3));
    speed.points.push_back(std::move(point));
  }
  return markup("<div class=\"figures\">{}{}</div>\n", scatter_figure(size), scatter_figure(speed));
}

Markup movements(const ComparisonData& comparison, const VariantLabels& labels) {
  RowChart divergence;
  divergence.title = "How far predictions moved";
  divergence.axis_title = "Kullback-Leibler divergence from the base, nats";
  divergence.caption =
      "Dot: mean over tokens. Ticks: median, 90th, 99th, 99.9th percentile, maximum. A long tail is a rare "
      "disaster "
      "that averages hide. 0 has no place here and is left out.";
  divergence.log = true;
  RowChart same;
  same.title = "How often both would write the same token";
  same.axis_title = "same top token, % of tokens";
  same.caption = "Line: 95 % interval (Wilson).";
  for (size_t i = 1; i < comparison.variants.size(); ++i) {
    const ComparedVariant& variant = comparison.variants[i];
    ChartRow row;
    row.label = labels.of(variant.name);
    row.colour = labels.colour(variant.name);
    row.figure = fmt::format("mean {}", number_text(variant.divergence.value, 3));
    double low = variant.divergence_max;
    const auto mark = [&](double value, bool small, const std::string& note) {
      if (!(value > 0)) return;
      low = std::min(low, value);
      row.marks.push_back({value, small, note + " " + number_text(value, 3) + " nats"});
    };
    for (const auto& [percentile, value] : variant.divergence_percentiles) {
      mark(value, true, percentile == 50 ? "median" : fmt::format("{:g} %", percentile));
    }
    mark(variant.divergence_max, true, "maximum");
    mark(variant.divergence.value, false, "mean");
    if (low > 0) row.interval = {low, variant.divergence_max};
    divergence.rows.push_back(row);
    row.marks = {{100 * variant.same_top, false, number_text(100 * variant.same_top, 4) + " %"}};
    row.interval = {100 * variant.same_top_interval[0], 100 * variant.same_top_interval[1]};
    row.figure = number_text(100 * variant.same_top, 4) + " %";
    same.rows.push_back(std::move(row));
  }
  return markup("<div class=\"figures\">{}{}</div>\n", row_figure(divergence), row_figure(same));
}

Markup table_of(const ComparisonData& comparison, const VariantLabels& labels) {
  HtmlTable table("Against the base, the first row; ± is one standard error",
                  {"variant", "perplexity", "over the base’s", "divergence, nats", "its 99th percentile",
                   "same top token", "weights", "in all", "writing, tokens/s", "reading, tokens/s"});
  for (size_t i = 0; i < comparison.variants.size(); ++i) {
    const ComparedVariant& variant = comparison.variants[i];
    std::string p99;
    for (const auto& [percentile, value] : variant.divergence_percentiles) {
      if (percentile == 99) p99 = number_text(value, 3);
    }
    const bool base = i == 0;
    table.row({labels.of(variant.name), with_error(variant.perplexity.value, variant.perplexity.error, 3),
               base ? "" : percent_with_error(variant.ratio.value - 1, variant.ratio.error),
               base ? "" : number_text(variant.divergence.value, 3), p99,
               base ? "" : fmt::format("{:.2f} %", 100 * variant.same_top),
               format_bytes(variant.weight_bytes), format_bytes(variant.bytes()),
               number_text(variant.decode_rate, 3), number_text(variant.rate, 3)});
  }
  return table.finish();
}

}  // namespace

Markup comparison_section(const ReportData& data, const VariantLabels& labels) {
  Markup out;
  for (const ComparisonData& comparison : data.comparisons) {
    if (comparison.variants.empty()) continue;
    const TextCut& cut = comparison.cut;
    out += markup(
        "<section><h2>What each variant costs and loses</h2>\n<p>Base: {}. Every variant read the same {} "
        "tokens of "
        "{} in {} windows of {}, definition {}. Vertical lines are 95 % intervals that take only whole "
        "windows for "
        "independent.</p>\n{}{}{}</section>\n",
        labels.of(comparison.variants.front().name), cut.tokens, cut.path, cut.windows, cut.max_length,
        cut.definition, trade_offs(data, comparison, labels), table_of(comparison, labels),
        movements(comparison, labels));
  }
  return out;
}

Markup perplexity_section(const ReportData& data, const VariantLabels& labels) {
  if (data.perplexities.empty()) return {};
  RowChart chart;
  chart.title = "Perplexity";
  chart.axis_title = "perplexity";
  chart.caption = "Line: 95 % interval, if only whole windows are independent.";
  HtmlTable table(
      "Perplexities; alike in the tokens’ hash, they can be compared",
      {"variant", "definition", "text", "tokens’ hash", "perplexity", "windows", "tokens scored", "tokens/s"},
      3);
  for (const PerplexityData& one : data.perplexities) {
    const bool like_first = one.cut.token_hash == data.perplexities.front().cut.token_hash &&
                            one.cut.definition == data.perplexities.front().cut.definition;
    ChartRow row;
    row.label = labels.of(one.name);
    row.colour = labels.colour(one.name);
    row.figure = with_error(one.perplexity.value, one.perplexity.error, 3);
    row.marks = {{one.perplexity.value, false, row.figure}};
    if (one.perplexity.error > 0) {
      row.interval = {one.perplexity.value - kSure * one.perplexity.error,
                      one.perplexity.value + kSure * one.perplexity.error};
    }
    if (like_first) chart.rows.push_back(std::move(row));
    table.row({labels.of(one.name), one.cut.definition, one.cut.path, one.cut.token_hash,
               with_error(one.perplexity.value, one.perplexity.error), fmt::format("{}", one.cut.windows),
               fmt::format("{}", one.cut.tokens), number_text(one.rate, 4)});
  }
  if (chart.rows.size() < data.perplexities.size()) {
    chart.caption += " Only those that read the same tokens as the first are drawn.";
  }
  return markup("<section><h2>Perplexity</h2>\n<div class=\"figures\">{}</div>\n{}</section>\n",
                row_figure(chart), table.finish());
}

}  // namespace gemma
