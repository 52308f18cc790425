// Short names and colours for variants in one report: what all have in common is left out, and a checkpoint
// has one colour throughout.
#pragma once

#include <string>
#include <vector>

#include "tools/report/report_data.h"

namespace gemma {

class VariantLabels {
 public:
  explicit VariantLabels(const ReportData& data);

  // "qat · int4", or "int4" if there is one checkpoint only.
  std::string of(const VariantName& name) const;
  size_t colour(const VariantName& name) const;

 private:
  std::vector<std::string> models_;  // in order of their appearance
  std::vector<std::string> short_;   // names of them
};

}  // namespace gemma
