// Where two ways to compute a model part: the residual stream after each layer, position by position, and the
// logits at the end. Both run side by side; what is kept is a few positions of the first.
//
//   LayerComparison layers;
//   Result<void> done = compare_layers(fake, real, plan, layers, [](const LayerComparison&) { return true;
//   }); double snr = layers.layers[3].snr_db();
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/evaluation/evaluation_plan.h"
#include "engine/evaluation/sample_statistics.h"
#include "engine/session.h"

namespace gemma {

// Sums over all values (positions times width) of base a and candidate b.
struct VectorDifference {
  uint64_t count = 0;
  double max_abs = 0;      // of b - a
  double difference2 = 0;  // sum of (b - a)^2
  double base2 = 0, candidate2 = 0, product = 0;

  void add(std::span<const float> base, std::span<const float> candidate);
  double relative_l2() const;  // |b - a| / |a|; 0 of equal vectors
  double cosine() const;       // of the angle between a and b
  double snr_db() const;       // 20 log10(|a| / |b - a|); +inf of equal vectors
};

struct LayerComparison {
  uint64_t windows = 0;    // done
  uint64_t positions = 0;  // compared, all those that the windows read
  std::vector<VectorDifference> layers;
  VectorDifference logits;  // of the positions that predict a target
  Moments divergence;       // of those positions' distributions, nats
};

// The first layer whose relative_l2 is beyond the tolerance (or no number); nothing if none is.
std::optional<size_t> first_beyond(const LayerComparison& comparison, double tolerance);

// Runs all windows through both sessions; `step` as in compare_models. kMismatch if the models differ in
// layers, hidden size or vocabulary.
Result<void> compare_layers(Session& base, Session& candidate, const EvaluationPlan& plan,
                            LayerComparison& comparison,
                            const std::function<bool(const LayerComparison&)>& step);

}  // namespace gemma
