#include "engine/evaluation/choice_score.h"

#include <algorithm>
#include <functional>

namespace gemma {
namespace {

size_t largest(std::span<const ChoiceLikelihood> choices,
               const std::function<double(const ChoiceLikelihood&)>& score) {
  size_t best = 0;
  for (size_t i = 1; i < choices.size(); ++i) {
    if (score(choices[i]) > score(choices[best])) best = i;
  }
  return best;
}

double per(double log_likelihood, size_t units) {
  return log_likelihood / static_cast<double>(std::max<size_t>(units, 1));
}

}  // namespace

ChoicePicks pick_choices(std::span<const ChoiceLikelihood> choices) {
  ChoicePicks picks;
  picks.acc = largest(choices, [](const ChoiceLikelihood& c) { return c.log_likelihood; });
  picks.acc_norm =
      largest(choices, [](const ChoiceLikelihood& c) { return per(c.log_likelihood, c.characters); });
  picks.acc_bytes =
      largest(choices, [](const ChoiceLikelihood& c) { return per(c.log_likelihood, c.bytes); });
  if (std::all_of(choices.begin(), choices.end(),
                  [](const auto& c) { return c.unconditional.has_value(); })) {
    picks.acc_mutual_info =
        largest(choices, [](const ChoiceLikelihood& c) { return c.log_likelihood - *c.unconditional; });
  }
  return picks;
}

}  // namespace gemma
