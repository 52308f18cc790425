// The eight things that are called perplexity. Each cuts a text into windows its own way, scores other tokens
// and averages differently; docs/perplexity.md tells how far they lie apart. Sources, read for their rules:
//
//   strict       ours: windows of max_length tokens every `stride`, each token scored once, all weighted
//                equally
//   tutorial     a common tutorial script: mean over windows of the window's mean loss; the labels
//                [:, :begin - prev_end] are masked, a negative index but in the first window, so that a
//                short last window scores some tokens again
//   hf-doc       transformers, docs/source/en/perplexity.md: window losses weighted by valid labels - 1
//   hf-evaluate  evaluate, measurements/perplexity: each text alone, mean of their perplexities
//   llama        llama.cpp, tools/perplexity: chunks of n_ctx, BOS in place of the first id, second halves
//                scored
//   lm-eval      lm-evaluation-harness: rolling windows over each page; per word and per byte
//   mlx          mlx-lm, perplexity.py: texts in NumPy's random order, 256 sequences of 512
//   chat-prefix  TICO (pull request 880): the model's own chat prompt before every window, for -it models
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace gemma {

enum class PerplexityDefinition {
  kStrict,
  kTutorial,
  kHfDoc,
  kHfEvaluate,
  kLlama,
  kLmEval,
  kMlx,
  kChatPrefix
};

// Where <bos> stands. Without it a Gemma's perplexity explodes.
enum class BosRule {
  kWindow,  // in front of every window; not scored
  kStart,   // once, in front of the whole text
  kText,    // in front of every text
  kNone,
};

std::string_view to_string(PerplexityDefinition definition);
std::string_view to_string(BosRule rule);
std::vector<std::string> perplexity_definition_names();
// kUsage with the known names.
Result<PerplexityDefinition> parse_perplexity_definition(std::string_view name);
Result<BosRule> parse_bos_rule(std::string_view name);

struct PerplexityOptions {
  PerplexityDefinition definition = PerplexityDefinition::kStrict;
  size_t max_length = 512;  // tokens of a window
  size_t stride = 256;      // tokens from one window's begin to the next; of sliding windows only
  BosRule bos = BosRule::kWindow;
  bool end_of_text = false;   // <eos> behind every text; with BosRule::kText only
  size_t window_limit = 0;    // windows to take from the front; 0: all
  std::string join = "\n\n";  // what makes one text of several, where a definition wants one
  uint64_t seed = 123;        // of mlx's order
};

// What the original does unless told otherwise.
PerplexityOptions default_options(PerplexityDefinition definition);

// Whether the definition slides windows by a stride.
bool has_stride(PerplexityDefinition definition);
// Whether it scores each text by itself, rather than all of them as one.
bool scores_texts_apart(const PerplexityOptions& options);

// kUsage for a stride or BOS rule that the definition does not have, for windows that leave tokens out (a
// stride above max_length) or are too short to score anything.
Result<void> check_options(const PerplexityOptions& options);

}  // namespace gemma
