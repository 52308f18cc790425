// A report: one HTML file that needs nothing else, made of any number of documents of gemma-eval and
// gemma-bench.
//
//   ReportData data;
//   Result<void> added = add_document(json, "compare.json", data);
//   std::string page = report_document(data, "QAT against PTQ");
//
// The page loads nothing and runs nothing: a policy in its head forbids both, so that a hostile name in a
// document could do no harm even if it escaped its quotes.
#pragma once

#include <string>

#include "tools/report/report_data.h"

namespace gemma {

// `title` empty: one made from what the documents are about.
std::string report_document(const ReportData& data, const std::string& title);

}  // namespace gemma
