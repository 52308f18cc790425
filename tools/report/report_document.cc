#include "tools/report/report_document.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "tools/report/report_sections.h"
#include "tools/report/report_style.h"

namespace gemma {
namespace {

std::string title_of(const ReportData& data, const VariantLabels& labels) {
  for (const ComparisonData& one : data.comparisons) {
    if (one.variants.size() == 2) {
      return fmt::format("{} against {}", labels.of(one.variants[1].name), labels.of(one.variants[0].name));
    }
    if (one.variants.size() > 2) {
      return fmt::format("{} variants against {}", one.variants.size() - 1, labels.of(one.variants[0].name));
    }
  }
  return data.sources.size() == 1
             ? fmt::format("gemma-{} {}", data.sources[0].kind == "bench" ? "bench" : "eval",
                           data.sources[0].kind == "bench" ? "" : data.sources[0].kind)
             : "Evaluation";
}

// One line of where and when.
std::string facts_of(const ReportData& data) {
  std::vector<std::string> facts;
  std::set<std::string> days;
  std::set<std::string> cpus;
  constexpr size_t kDay = 10;  // of "2026-01-31T12:00:00Z"
  for (const ReportSource& source : data.sources) {
    if (source.date.size() >= kDay) days.insert(source.date.substr(0, kDay));
    if (source.machine && !source.machine->cpu.empty()) cpus.insert(source.machine->cpu);
  }
  for (const ComparisonData& one : data.comparisons) {
    facts.push_back(fmt::format("{} tokens of {}", one.cut.tokens, one.cut.path));
    break;
  }
  if (cpus.size() == 1) facts.push_back(*cpus.begin());
  if (cpus.size() > 1) facts.push_back(fmt::format("{} machines", cpus.size()));
  if (!days.empty()) {
    facts.push_back(days.size() == 1 ? *days.begin()
                                     : fmt::format("{} to {}", *days.begin(), *days.rbegin()));
  }
  std::string out;
  for (const std::string& fact : facts) out += (out.empty() ? "" : " · ") + fact;
  return out;
}

Markup list_of(const std::vector<std::string>& lines, const char* style) {
  if (lines.empty()) return {};
  Markup items;
  for (const std::string& line : lines) items += markup("<li>{}</li>", line);
  return markup("<ul class=\"{}\">{}</ul>\n", style, items);
}

}  // namespace

std::string report_document(const ReportData& data, const std::string& title) {
  const VariantLabels labels(data);
  const std::string heading = title.empty() ? title_of(data, labels) : title;
  Markup page{
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"};
  page += markup(
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n<header><h1>{}</h1>\n<p "
      "class=\"facts\">{}</p>\n",
      heading, report_style(), heading, facts_of(data));
  page += list_of(report_findings(data, labels), "findings");
  page += list_of(report_warnings(data, labels), "warnings");
  page += Markup{"</header>\n"};
  page += comparison_section(data, labels);
  page += perplexity_section(data, labels);
  page += accuracy_section(data, labels);
  page += layers_section(data, labels);
  page += latency_section(data, labels);
  page += memory_section(data, labels);
  page += circumstances_section(data);
  page += Markup{"</main>\n</body>\n</html>\n"};
  return std::move(page.html);
}

}  // namespace gemma
