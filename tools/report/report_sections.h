// The parts of a report, each from what the documents say about it; empty where they say nothing.
#pragma once

#include <string>
#include <vector>

#include "tools/report/markup.h"
#include "tools/report/report_data.h"
#include "tools/report/variant_labels.h"

namespace gemma {

// What a reader wants to know first, in sentences; what a reader must not overlook.
std::vector<std::string> report_findings(const ReportData& data, const VariantLabels& labels);
std::vector<std::string> report_warnings(const ReportData& data, const VariantLabels& labels);

Markup comparison_section(const ReportData& data, const VariantLabels& labels);
Markup perplexity_section(const ReportData& data, const VariantLabels& labels);
Markup layers_section(const ReportData& data, const VariantLabels& labels);
Markup accuracy_section(const ReportData& data, const VariantLabels& labels);
Markup latency_section(const ReportData& data, const VariantLabels& labels);
Markup memory_section(const ReportData& data, const VariantLabels& labels);
Markup circumstances_section(const ReportData& data);

// "+2.25 %"; "not available" for no number.
std::string signed_percent(double share);
// "+2.25 ± 0.37 %"; the error to two digits.
std::string percent_with_error(double share, double error);
// "8.0790 ± 0.2684"
std::string with_error(double value, double error, int digits = 4);
// Megabytes, the unit of charts.
double megabytes(uint64_t bytes);

}  // namespace gemma
