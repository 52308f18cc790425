// Memory by category, of runs that were taken apart page by page, or of what a comparison knows.
#include <algorithm>

#include <fmt/format.h>

#include "loader/format_bytes.h"
#include "tools/report/chart_scale.h"
#include "tools/report/html_table.h"
#include "tools/report/report_sections.h"
#include "tools/report/row_chart.h"

namespace gemma {
namespace {

struct Category {
  const char* title;
  std::vector<const char*> parts;  // as gemma-eval memory names them
};

const std::vector<Category>& categories() {
  static const std::vector<Category> kAll = {
      {"weights", {"weights"}},
      {"KV cache", {"kv_sliding", "kv_full"}},
      {"work space", {"activations", "scratch", "logits"}},
      {"tokenizer", {"tokenizer"}},
      {"program", {"code", "stacks"}},
      {"heap and files besides", {"objects", "allocator", "file_rest"}},
  };
  return kAll;
}

std::string bytes_text(int64_t bytes) {
  return (bytes < 0 ? "-" : "") + format_bytes(static_cast<uint64_t>(bytes < 0 ? -bytes : bytes));
}

Markup measured(const ReportData& data, const VariantLabels& labels) {
  if (data.memories.empty()) return {};
  RowChart chart;
  chart.title = "Resident memory by what it is for";
  chart.axis_title = "MB";
  std::vector<std::string> columns = {"variant", "context", "tokens in use"};
  for (const Category& category : categories()) {
    chart.part_names.emplace_back(category.title);
    columns.emplace_back(category.title);
  }
  chart.part_names.emplace_back("unaccounted");
  for (const char* name : {"unaccounted", "peak", "peak by phase"}) columns.emplace_back(name);
  HtmlTable table("Resident memory at the end of the run; no category is what is left over", columns);
  for (const MemoryData& one : data.memories) {
    ChartRow row;
    row.label = labels.of(one.name) + (one.forecast ? ", forecast" : "");
    row.figure = fmt::format("peak {}", format_bytes(one.peak));
    std::vector<std::string> cells = {row.label, fmt::format("{}", one.context),
                                      fmt::format("{}", one.tokens)};
    for (const Category& category : categories()) {
      uint64_t bytes = 0;
      for (const char* part : category.parts) {
        const auto found = one.parts.find(part);
        if (found != one.parts.end()) bytes += found->second;
      }
      row.parts.push_back(megabytes(bytes));
      cells.push_back(format_bytes(bytes));
    }
    row.parts.push_back(one.unaccounted > 0 ? megabytes(static_cast<uint64_t>(one.unaccounted)) : 0);
    cells.push_back(one.forecast ? "" : bytes_text(one.unaccounted));
    cells.push_back(format_bytes(one.peak));
    std::string phases;
    for (const auto& [name, peak] : one.phases) {
      phases += fmt::format("{}{} {}", phases.empty() ? "" : ", ", name, format_bytes(peak));
    }
    cells.push_back(phases);
    chart.rows.push_back(std::move(row));
    table.row(cells);
  }
  return markup("<div class=\"figures\">{}</div>\n{}", row_figure(chart), table.finish());
}

Markup compared(const ReportData& data, const VariantLabels& labels) {
  Markup out;
  for (const ComparisonData& comparison : data.comparisons) {
    RowChart chart;
    chart.title = "What the model itself wants";
    chart.axis_title = "MB";
    chart.caption = "Of the comparison: weights, cache and scratch of a session over its windows.";
    chart.part_names = {"weights", "KV cache", "work space"};
    for (const ComparedVariant& variant : comparison.variants) {
      ChartRow row;
      row.label = labels.of(variant.name);
      row.figure = format_bytes(variant.bytes());
      row.parts = {megabytes(variant.weight_bytes), megabytes(variant.kv_bytes),
                   megabytes(variant.scratch_bytes)};
      chart.rows.push_back(std::move(row));
    }
    out += row_figure(chart);
  }
  return out.empty() ? out : markup("<div class=\"figures\">{}</div>\n", out);
}

}  // namespace

double megabytes(uint64_t bytes) {
  return static_cast<double>(bytes) * 1e-6;
}

Markup memory_section(const ReportData& data, const VariantLabels& labels) {
  const Markup runs = measured(data, labels), models = compared(data, labels);
  if (runs.empty() && models.empty()) return {};
  return markup("<section><h2>Memory</h2>\n{}{}</section>\n", runs, models);
}

}  // namespace gemma
