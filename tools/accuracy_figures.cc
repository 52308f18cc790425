#include <algorithm>
#include <functional>

#include "engine/evaluation/proportion.h"
#include "engine/evaluation/sample_mean.h"
#include "tools/accuracy_report.h"

namespace gemma {
namespace {

struct Definition {
  const char* name;
  const char* label;
  bool share;
  std::function<double(const DatasetItem& item, const ItemResult& result)> value;
};

std::vector<Definition> free_definitions() {
  return {
      {"exact_match", "exact match", true, [](const auto&, const auto& r) { return r.squad.exact_match; }},
      {"f1", "F1", false, [](const auto&, const auto& r) { return r.squad.f1; }},
      {"rouge1", "ROUGE-1", false, [](const auto&, const auto& r) { return r.rouge.rouge1.f1; }},
      {"rouge2", "ROUGE-2", false, [](const auto&, const auto& r) { return r.rouge.rouge2.f1; }},
      {"rougeL", "ROUGE-L", false, [](const auto&, const auto& r) { return r.rouge.rouge_l.f1; }},
      {"rougeLsum", "ROUGE-Lsum", false, [](const auto&, const auto& r) { return r.rouge.rouge_lsum.f1; }},
  };
}

std::vector<Definition> choice_definitions(bool mutual_info) {
  const auto right = [](size_t pick, const DatasetItem& item) { return pick == item.answer ? 1.0 : 0.0; };
  std::vector<Definition> all = {
      {"acc", "accuracy", true, [=](const auto& item, const auto& r) { return right(r.picks.acc, item); }},
      {"acc_norm", "per character", true,
       [=](const auto& item, const auto& r) { return right(r.picks.acc_norm, item); }},
      {"acc_bytes", "per byte", true,
       [=](const auto& item, const auto& r) { return right(r.picks.acc_bytes, item); }},
  };
  if (mutual_info) {
    all.push_back({"acc_mutual_info", "mutual information", true, [=](const auto& item, const auto& r) {
                     return right(r.picks.acc_mutual_info.value_or(item.choices.size()), item);
                   }});
  }
  return all;
}

}  // namespace

std::vector<Figure> figures(const Questions& questions, const VariantResult& variant, size_t first,
                            size_t count) {
  const bool mutual_info = !variant.items.empty() && variant.items.front().picks.acc_mutual_info.has_value();
  std::vector<Figure> out;
  for (const Definition& definition :
       questions.multiple_choice() ? choice_definitions(mutual_info) : free_definitions()) {
    Figure figure;
    figure.name = definition.name;
    figure.label = definition.label;
    figure.share = definition.share;
    for (size_t i = first; i < first + count; ++i) {
      figure.per_item.push_back(definition.value(questions.items[i], variant.items[i]));
    }
    if (figure.share) {
      const auto right = std::count(figure.per_item.begin(), figure.per_item.end(), 1.0);
      const Proportion share = wilson_interval(static_cast<size_t>(right), count);
      figure.value = share.value;
      figure.low = share.low;
      figure.high = share.high;
    } else {
      const SampleMean mean = sample_mean(figure.per_item);
      figure.value = mean.value;
      figure.low = std::max(0.0, mean.value - kZ95 * mean.standard_error);
      figure.high = std::min(1.0, mean.value + kZ95 * mean.standard_error);
    }
    out.push_back(std::move(figure));
  }
  return out;
}

std::vector<Figure> figures(const Questions& questions, const VariantResult& variant) {
  return figures(questions, variant, 0, questions.items.size());
}

std::vector<FigureComparison> compare_figures(const std::vector<Figure>& first,
                                              const std::vector<Figure>& second) {
  std::vector<FigureComparison> out;
  for (size_t f = 0; f < std::min(first.size(), second.size()); ++f) {
    FigureComparison comparison;
    comparison.name = first[f].name;
    comparison.label = first[f].label;
    comparison.share = first[f].share;
    const std::vector<double>&a = first[f].per_item, &b = second[f].per_item;
    std::vector<double> differences;
    std::vector<bool> a_right, b_right;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      differences.push_back(b[i] - a[i]);
      a_right.push_back(a[i] > 0.5);
      b_right.push_back(b[i] > 0.5);
    }
    const SampleMean mean = sample_mean(differences);
    comparison.difference = mean.value;
    comparison.low = mean.value - kZ95 * mean.standard_error;
    comparison.high = mean.value + kZ95 * mean.standard_error;
    if (comparison.share) {
      // Equally many, as made here.
      comparison.outcomes = pair_outcomes(a_right, b_right).value_or(PairedOutcomes{});
      const PairedDifference difference = paired_difference(comparison.outcomes);
      comparison.low = difference.low;
      comparison.high = difference.high;
      comparison.p = mcnemar_p(comparison.outcomes.first_only, comparison.outcomes.second_only);
    }
    out.push_back(std::move(comparison));
  }
  return out;
}

std::vector<Limit> check_limits(const AccuracyFlags& flags, const std::vector<Figure>& all) {
  struct Given {
    const char *option, *figure;
    const std::optional<double>& limit;
  };
  const Given given[] = {{"--min-exact-match", "exact_match", flags.min_exact_match},
                         {"--min-f1", "f1", flags.min_f1},
                         {"--min-rouge-l", "rougeL", flags.min_rouge_l},
                         {"--min-accuracy", "acc", flags.min_accuracy}};
  std::vector<Limit> limits;
  for (const auto& [option, name, limit] : given) {
    if (!limit) continue;
    for (const Figure& figure : all) {
      if (figure.name == name) limits.push_back({option, *limit, figure.value});
    }
  }
  return limits;
}

}  // namespace gemma
