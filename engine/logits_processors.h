// The changes that options make to a row of logits before a token is chosen, greedily or not, in this order:
//
//   logit bias, repetition penalty, presence and frequency penalty, no-repeat n-gram, minimum length,
//   suppress
//
// What follows them (temperature, top-k, top-p, min-p) is logits_filter.h.
//
//   LogitsProcessors processors(options, vocab_size);   // options that validate() has passed
//   processors.append_prompt(prompt);
//   processors.apply(logits);                           // (vocab_size), in place
//   processors.append(token);                           // the token that was chosen
//
// The history of the sequence is kept as counts per distinct token and an index of n-grams: a step costs the
// number of distinct tokens, not the length of the text, and allocates nothing but what grows with the text.
// A value: copying it forks the sequence, as beam search does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/logits_ngrams.h"
#include "engine/sampling_options.h"

namespace gemma {

class LogitsProcessors {
 public:
  // `options` must outlive this and all copies, and must have passed validate(options, vocab_size).
  LogitsProcessors(const SamplingOptions& options, size_t vocab_size);

  // Prompt tokens count for the repetition penalty and the n-grams, and for nothing else. Ids outside the
  // vocabulary are ignored by the penalties.
  void append_prompt(std::span<const int32_t> tokens);
  void append(int32_t generated);

  size_t generated() const { return generated_; }

  // scores: (vocab_size), logits or log-probabilities. float32 as in the reference, each change rounded once.
  void apply(std::span<float> scores) const;
  // Whether apply() leaves every score as it is.
  bool idle() const;

 private:
  struct Seen {
    int32_t id;
    uint32_t generated;  // how often it is in the answer; 0: only in the prompt
  };

  void remember(int32_t token, bool generated);

  const SamplingOptions* options_;
  size_t generated_ = 0;
  std::vector<uint32_t> where_;  // (vocab_size) index into seen_ + 1, 0 = not seen; empty if no penalty asks
  std::vector<Seen> seen_;       // distinct tokens, in order of appearance
  std::optional<NgramIndex> ngrams_;
};

}  // namespace gemma
