#include "tools/report/variant_labels.h"

#include <algorithm>
#include <set>

#include "tools/report/scatter_chart.h"

namespace gemma {
namespace {

std::string last_part(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

// What all names begin with, up to a '-', '_' or '.'.
size_t common_beginning(const std::vector<std::string>& names) {
  size_t common = names.front().size();
  for (const std::string& name : names) {
    const auto end =
        std::mismatch(names.front().begin(), names.front().end(), name.begin(), name.end()).first;
    common = std::min(common, static_cast<size_t>(end - names.front().begin()));
  }
  const size_t cut = names.front().find_last_of("-_.", common == 0 ? 0 : common - 1);
  return common == 0 || cut == std::string::npos ? 0 : cut + 1;
}

}  // namespace

VariantLabels::VariantLabels(const ReportData& data) {
  std::set<std::string> known;
  const auto add = [&](const std::string& model) {
    if (known.insert(model).second) models_.push_back(model);
  };
  for (const ComparisonData& one : data.comparisons) {
    for (const ComparedVariant& variant : one.variants) add(variant.name.model);
  }
  for (const PerplexityData& one : data.perplexities) add(one.name.model);
  for (const LayersData& one : data.layers) add(one.model);
  for (const SensitivityData& one : data.sensitivities) add(one.model);
  for (const AccuracyData& one : data.accuracies) {
    for (const AccuracyData::Variant& variant : one.variants) add(variant.name.model);
  }
  for (const BenchData& one : data.benches) {
    for (const BenchCell& cell : one.document.cells) add(cell.key.model);
  }
  for (const MemoryData& one : data.memories) add(one.name.model);
  if (models_.size() < 2) {
    short_.resize(models_.size());
    return;
  }
  for (const std::string& model : models_) short_.push_back(last_part(model));
  if (std::set<std::string>(short_.begin(), short_.end()).size() < short_.size()) {
    short_ = models_;  // two folders of one name
    return;
  }
  const size_t common = common_beginning(short_);
  for (std::string& name : short_) {
    if (common < name.size()) name = name.substr(common);
  }
}

std::string VariantLabels::of(const VariantName& name) const {
  const auto found = std::find(models_.begin(), models_.end(), name.model);
  const std::string model =
      found == models_.end() ? name.model : short_[static_cast<size_t>(found - models_.begin())];
  return model.empty() ? name.scheme : model + "\u00a0· " + name.scheme;
}

size_t VariantLabels::colour(const VariantName& name) const {
  const auto found = std::find(models_.begin(), models_.end(), name.model);
  return static_cast<size_t>(found - models_.begin()) % kColours;
}

}  // namespace gemma
