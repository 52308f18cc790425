// Picks the next token of one sequence, greedily or by chance.
//
//   Result<Sampler> sampler = Sampler::create(options, vocab_size);
//   sampler->append_prompt(prompt);
//   while (...) {
//     Result<int32_t> token = sampler->next(logits);   // logits: (vocab_size) of the last position
//   }
//
// logits -> logits_processors.h -> greedy: the largest, of equal ones the lowest id
//                               -> sampling: logits_filter.h, then one uniform number per token
//
// The same options, seed, stream and logits give the same tokens on every platform where exp() is rounded
// alike, and apart from draws within 1e-15 of a border on all. Greedy search draws no number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/logits_filter.h"
#include "engine/logits_processors.h"
#include "engine/random.h"
#include "engine/sampling_options.h"
#include "loader/result.h"

namespace gemma {

class Sampler {
 public:
  // Refuses what validate() refuses. Without options.seed a fresh one is drawn. `stream` is the index among
  // several returned sequences: each has random numbers of its own.
  static Result<Sampler> create(SamplingOptions options, size_t vocab_size, uint64_t stream = 0);

  void append_prompt(std::span<const int32_t> tokens) { processors_.append_prompt(tokens); }

  // Picks a token and appends it to the history. With the row's peaks (kernels/reductions.h) and no processor
  // that changes a score, most of the row is not read. Nothing is appended on an error:
  //   kUsage     every token is suppressed (all scores are -inf after the processors)
  //   kInternal  the row has another size than the vocabulary, or a score is NaN or +inf
  Result<int32_t> next(std::span<const float> logits, std::span<const float> peaks = {});

  // Appends a token that somebody else chose.
  void append(int32_t token) { processors_.append(token); }

  const SamplingOptions& options() const { return *options_; }
  uint64_t seed() const { return *options_->seed; }

 private:
  Sampler(std::unique_ptr<const SamplingOptions> options, size_t vocab_size, uint64_t stream);

  std::unique_ptr<const SamplingOptions> options_;  // on the heap: processors_ points to it across moves
  LogitsProcessors processors_;
  CandidateFilter filter_;
  Random random_;
  std::vector<float> scores_;  // (vocab_size)
};

// The checks that next() and beam search share, on processed scores: kUsage if all are -inf, kInternal for
// NaN and +inf.
Result<void> check_scores(std::span<const float> scores);

}  // namespace gemma
