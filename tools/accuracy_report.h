// What the answers of a run come to: figures with their intervals, two variants compared, limits checked; for
// people, as JSON, and item by item.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/evaluation/mcnemar.h"
#include "tools/accuracy_run.h"

namespace gemma {

// A mean over questions, 0 .. 1, and where it lies at 95 %: Wilson's interval for shares of right answers,
// the mean +- 1.96 standard errors for the others.
struct Figure {
  std::string name;  // "exact_match", "f1", "rouge1", "rouge2", "rougeL", "rougeLsum", "acc", "acc_norm", ...
  std::string label;  // for people
  bool share = false;
  double value = 0, low = 0, high = 0;
  std::vector<double> per_item;
};

// All figures of the kind of question, over `count` items from `first` on.
std::vector<Figure> figures(const Questions& questions, const VariantResult& variant, size_t first,
                            size_t count);
std::vector<Figure> figures(const Questions& questions, const VariantResult& variant);

// One figure of two variants on the same questions.
struct FigureComparison {
  std::string name, label;
  // second - first: mean of the paired differences. At 95 %: paired_difference() for a share, else +- 1.96
  // standard errors.
  double difference = 0, low = 0, high = 0;
  bool share = false;
  PairedOutcomes outcomes;  // of a share: right is above 1/2
  double p = 1;             // of a share: McNemar's exact test
};
std::vector<FigureComparison> compare_figures(const std::vector<Figure>& first,
                                              const std::vector<Figure>& second);

struct Limit {
  std::string option;  // "--min-f1"
  double limit = 0, value = 0;
  bool met() const { return value >= limit; }
};
// The limits that were given, against the first variant's figures.
std::vector<Limit> check_limits(const AccuracyFlags& flags, const std::vector<Figure>& figures);

struct AccuracyReport {
  std::vector<VariantResult> variants;  // one or two
  std::vector<Limit> limits;
};

std::string accuracy_text(const AccuracyFlags& flags, const Questions& questions,
                          const AccuracyReport& report);
nlohmann::ordered_json accuracy_json(const AccuracyFlags& flags, const Questions& questions,
                                     const AccuracyReport& report);
// A line of --items. `variant` counts from 0.
nlohmann::ordered_json item_json(const Questions& questions, size_t variant, size_t index,
                                 const ItemResult& result);

}  // namespace gemma
