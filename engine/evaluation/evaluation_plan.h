// What a model will be measured on, worked out before it runs: the tokens of a text, and the windows that a
// definition cuts out of them. A window scores consecutive tokens, each predicted from all before it in the
// window.
//
//   Result<EvaluationPlan> plan = plan_evaluation(*model.tokenizer(), text, {}, options);
//   for (const EvaluationWindow& window : plan->windows) ...  // engine/evaluation/window_scorer.h runs them
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/evaluation/perplexity_definition.h"
#include "loader/result.h"
#include "loader/tokenizer.h"

namespace gemma {

// The texts to score, and the size of what they were made from.
struct EvaluationText {
  std::vector<std::string> texts;
  uint64_t words = 0;  // of the originals, by Python's re.split(r"\s+")
  uint64_t bytes = 0;  // of the originals, UTF-8
};

// The texts as they are: counts their words and bytes.
EvaluationText evaluation_text(std::vector<std::string> texts);

// The model reads the prefix (if prefixed), then tokens [begin, target_end - 1), and is asked for tokens
// [target_begin, target_end). The last target is never read: nothing follows it.
struct EvaluationWindow {
  size_t begin = 0;
  size_t target_begin = 0, target_end = 0;  // indices of EvaluationPlan::tokens; at least one target
  size_t fresh_begin = 0;                   // targets from here on are in no window before; target_end: none
  bool prefixed = false;
  double weight = 0;  // of the window's mean loss, where the definition has weights of its own

  size_t targets() const { return target_end - target_begin; }
};

struct EvaluationPlan {
  PerplexityOptions options;
  std::vector<int32_t> tokens;
  std::vector<int32_t> prefix;  // <bos>, or a chat prompt
  std::vector<EvaluationWindow> windows;
  size_t texts = 0;
  uint64_t words = 0, bytes = 0;  // EvaluationText's
  uint64_t text_hash = 0,
           token_hash = 0;   // XXH3-64 of the texts as scored, and of everything the windows are made of
  size_t longest_input = 0;  // most tokens that a window makes the model read
  uint64_t input_tokens = 0, targets = 0, fresh_targets = 0;  // of all windows
  std::vector<std::string> notes;                             // what a reader of the number should know

  // How many tokens the window makes the model read, and that sequence.
  size_t input_size(const EvaluationWindow& window) const;
  void input(const EvaluationWindow& window, std::vector<int32_t>& out) const;
};

// `chat_prefix`: the ids of the rendered prompt, for kChatPrefix only. Errors: check_options's; kUsage for a
// text too short for the definition, kMismatch for a tokenizer without <bos> or <eos> where one is wanted.
Result<EvaluationPlan> plan_evaluation(const Tokenizer& tokenizer, const EvaluationText& text,
                                       std::span<const int32_t> chat_prefix,
                                       const PerplexityOptions& options);

// numpy.random.seed(seed); numpy.random.permutation(n): the order in which mlx-lm takes its texts. n < 2^32.
std::vector<size_t> numpy_permutation(size_t n, uint64_t seed);

}  // namespace gemma
