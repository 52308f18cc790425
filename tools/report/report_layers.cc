// Layers, classes of tensors, and tasks: where quantization bites, and whether answers suffer.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "tools/report/chart_scale.h"
#include "tools/report/html_table.h"
#include "tools/report/layer_chart.h"
#include "tools/report/report_sections.h"
#include "tools/report/row_chart.h"
#include "tools/report/scatter_chart.h"

namespace gemma {
namespace {

std::string title_of(const LayersData& one, const VariantLabels& labels) {
  return fmt::format("{} against {}", labels.of({one.model, one.scheme}), one.base);
}

void add_row(HtmlTable& table, const std::string& name, const std::string& layer,
             const LayersData::Row& row) {
  table.row({name, layer, number_text(row.max_abs, 3), number_text(row.relative_l2, 3),
             number_text(row.cosine, 7), number_text(row.snr_db, 4)});
}

Markup by_layer(const ReportData& data, const VariantLabels& labels) {
  if (data.layers.empty()) return {};
  LayerChart chart;
  chart.title = "How the difference grows from layer to layer";
  chart.y_title = "relative L2 difference of the residual stream";
  chart.caption = "0.01 is a difference of 1 % of the vector’s length; 0 is drawn at the bottom.";
  HtmlTable table("Difference after each layer, and of the logits",
                  {"comparison", "layer", "largest difference", "relative L2", "cosine", "SNR, dB"}, 1);
  RowChart divergence;
  divergence.title = "What it comes to in the end";
  divergence.axis_title = "Kullback-Leibler divergence, nats";
  divergence.log = true;
  for (size_t i = 0; i < data.layers.size(); ++i) {
    const LayersData& one = data.layers[i];
    const size_t colour = i % kColours;
    const std::string title = title_of(one, labels);
    LayerLine line{title, colour, {}};
    for (size_t layer = 0; layer < one.layers.size(); ++layer) {
      line.values.push_back(one.layers[layer].relative_l2);
      add_row(table, title, fmt::format("{}", layer), one.layers[layer]);
    }
    add_row(table, title, "logits", one.logits);
    chart.lines.push_back(std::move(line));
    ChartRow row;
    row.label = title;
    row.figure = with_error(one.divergence.value, one.divergence.error, 6);
    row.colour = colour;
    if (one.divergence.value > 0) row.marks = {{one.divergence.value, false, row.figure}};
    divergence.rows.push_back(std::move(row));
  }
  return markup(
      "<div class=\"figures\">{}{}</div>\n<details><summary>All layers as a table</summary>{}</details>\n",
      layer_figure(chart), row_figure(divergence), table.finish());
}

HtmlTable cost_table(const SensitivityData& one, const VariantLabels& labels) {
  const char* const what = one.by_layer ? "layer" : "class";
  HtmlTable table(fmt::format("One {} quantized at a time; base {}", what, labels.of({one.model, one.base})),
                  {what, "scheme", "weights, million", "divergence, nats", "perplexity", "same top token"},
                  1);
  for (const SensitivityData::Row& cost : one.classes) {
    table.row({cost.name, cost.scheme, fmt::format("{:.2f}", static_cast<double>(cost.weights) * 1e-6),
               with_error(cost.divergence.value, cost.divergence.error, 6),
               percent_with_error(cost.ratio.value - 1, cost.ratio.error),
               fmt::format("{:.2f} %", 100 * cost.same_top)});
  }
  return table;
}

Markup by_class(const ReportData& data, const VariantLabels& labels) {
  Markup figures;
  Markup tables;
  for (const SensitivityData& one : data.sensitivities) {
    if (one.by_layer) continue;
    RowChart chart;
    chart.title = fmt::format("What each class of tensors costs: {}", labels.of({one.model, one.base}));
    chart.axis_title = "Kullback-Leibler divergence, nats";
    chart.caption = "Each class is quantized alone, all else stays as in the base.";
    chart.zero = true;
    for (const SensitivityData::Row& cost : one.classes) {
      ChartRow row;
      row.label = cost.name;
      row.figure = number_text(cost.divergence.value, 3);
      row.parts = {cost.divergence.value};
      chart.rows.push_back(std::move(row));
    }
    figures += row_figure(chart);
    tables += cost_table(one, labels).finish();
  }
  if (figures.empty()) return {};
  return markup("<div class=\"figures\">{}</div>\n{}", figures, tables);
}

// The divergence that each layer causes alone: a line for each document.
Markup cost_by_layer(const ReportData& data, const VariantLabels& labels) {
  LayerChart chart;
  chart.title = "What each layer costs";
  chart.y_title = "Kullback-Leibler divergence, nats";
  chart.x_title = "layer";
  chart.caption =
      "Each layer is quantized alone, all else stays as in the base. “rest” in the table is what belongs to "
      "no layer: embedding, head, per-layer table.";
  Markup tables;
  for (const SensitivityData& one : data.sensitivities) {
    if (!one.by_layer) continue;
    LayerLine line;
    line.label = fmt::format("{} on {}", labels.of({one.model, one.scheme}), one.base);
    line.colour = chart.lines.size() % kColours;
    for (const SensitivityData::Row& cost : one.classes) {
      if (!cost.layer || *cost.layer >= one.classes.size()) continue;
      line.values.resize(std::max(line.values.size(), *cost.layer + 1), kUnknown);
      line.values[*cost.layer] = cost.divergence.value;
    }
    chart.lines.push_back(std::move(line));
    tables += markup("<details><summary>Each layer of {} as a table</summary>{}</details>\n",
                     chart.lines.back().label, cost_table(one, labels).finish());
  }
  if (chart.lines.empty()) return {};
  return markup("<div class=\"figures\">{}</div>\n{}", layer_figure(chart), tables);
}

std::string score_title(const std::string& name) {
  for (const auto& [key, title] :
       {std::pair{"exact_match", "exact match"}, std::pair{"f1", "F1"}, std::pair{"rouge1", "ROUGE-1"},
        std::pair{"rouge2", "ROUGE-2"}, std::pair{"rougeL", "ROUGE-L"}, std::pair{"rougeLsum", "ROUGE-Lsum"},
        std::pair{"acc", "accuracy"}, std::pair{"acc_norm", "accuracy per character"},
        std::pair{"acc_bytes", "accuracy per byte"},
        std::pair{"acc_mutual_info", "accuracy by mutual information"}}) {
    if (name == key) return title;
  }
  return name;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

}  // namespace

Markup layers_section(const ReportData& data, const VariantLabels& labels) {
  const Markup layers = by_layer(data, labels), costs = cost_by_layer(data, labels),
               classes = by_class(data, labels);
  if (layers.empty() && costs.empty() && classes.empty()) return {};
  return markup("<section><h2>Where the difference comes from</h2>\n{}{}{}</section>\n", layers, costs,
                classes);
}

Markup accuracy_section(const ReportData& data, const VariantLabels& labels) {
  Markup out;
  for (const AccuracyData& one : data.accuracies) {
    RowChart chart;
    chart.title = one.choice ? "The right choice" : "Answers against their references";
    chart.axis_title = one.choice ? "right, % of questions" : "score, %";
    std::map<std::string, std::vector<ChartRow>> by_score;  // variants of one figure stand together
    chart.caption = "Line: 95 % interval.";
    HtmlTable table("Scores; the interval is Wilson’s for shares, else ± 1.96 standard errors",
                    {"variant", "figure", "value", "95 % from", "to"}, 1);
    for (const AccuracyData::Variant& variant : one.variants) {
      for (const AccuracyData::Score& score : variant.scores) {
        const std::string title = score_title(score.name);
        ChartRow row;
        row.label = title + ", " + labels.of(variant.name);
        row.figure = fmt::format("{:.1f} %", 100 * score.value);
        row.colour = labels.colour(variant.name);
        row.marks = {{100 * score.value, false, row.figure}};
        row.interval = {100 * score.low, 100 * score.high};
        by_score[score.name].push_back(std::move(row));
        table.row({labels.of(variant.name), title, fmt::format("{:.2f} %", 100 * score.value),
                   fmt::format("{:.2f} %", 100 * score.low), fmt::format("{:.2f} %", 100 * score.high)});
      }
    }
    for (auto& [name, rows] : by_score) chart.rows.insert(chart.rows.end(), rows.begin(), rows.end());
    HtmlTable tests("The second variant against the first, on the same questions",
                    {"figure", "difference, points", "95 % from", "to", "McNemar’s p"});
    for (const AccuracyData::Test& test : one.tests) {
      tests.row({score_title(test.name), fmt::format("{:+.2f}", 100 * test.difference),
                 fmt::format("{:+.2f}", 100 * test.low), fmt::format("{:+.2f}", 100 * test.high),
                 test.p ? number_text(*test.p, 3) : ""});
    }
    out += markup(
        "<section><h2>Answers</h2>\n<p>{} questions of {}.</p>\n<div "
        "class=\"figures\">{}</div>\n{}{}</section>\n",
        one.questions, joined(one.files), row_figure(chart), table.finish(),
        tests.empty() ? Markup{} : tests.finish());
  }
  return out;
}

}  // namespace gemma
