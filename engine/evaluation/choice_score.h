// Which choice a model picks, from the log-likelihood of each: the accuracies of multiple-choice tests.
//
// Source: lm-evaluation-harness (EleutherAI), metrics of multiple_choice tasks. ll = sum of the log-
// probabilities of a choice's tokens after the question:
//
//   acc              the largest ll
//   acc_norm         the largest ll / characters of the choice
//   acc_bytes        the largest ll / UTF-8 bytes of the choice; the same for ASCII
//   acc_mutual_info  the largest ll - ll of the choice with no question before it
//
// Of equal ones the first is picked, as NumPy's argmax does. (The acc_norm of llama-perplexity divides by
// tokens and is another figure.)
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace gemma {

struct ChoiceLikelihood {
  double log_likelihood = 0;            // natural logarithm
  size_t characters = 0, bytes = 0;     // of the choice's text, what separates it from the question excluded
  std::optional<double> unconditional;  // log-likelihood after nothing but <bos>
};

struct ChoicePicks {
  size_t acc = 0, acc_norm = 0, acc_bytes = 0;
  std::optional<size_t> acc_mutual_info;  // if every choice has its unconditional one
};

// Requires at least one choice. A choice without characters counts as having one.
ChoicePicks pick_choices(std::span<const ChoiceLikelihood> choices);

}  // namespace gemma
