// Beam search and beam sampling, as transformers does them: num_beams continuations are kept side by side,
// and of the finished ones the best.
//
//   struct Host : BeamHost { ... };                                       // a session per beam
//   Result<std::vector<BeamHypothesis>> answers = beam_search(host, options, prompt, vocab_size);
//
// One step, n = max(2, number of eos ids + 1) * num_beams:
//   1. every running beam: log-softmax of its logits, then the processors (logits_processors.h) and, when
//      sampling, temperature to min-p (logits_filter.h, at least one id more than there are eos ids);
//      plus the beam's score so far. The sum is not normalised again.
//   2. n candidates of all beams together: the best or, when sampling, drawn without replacement from their
//      softmax. n, so that num_beams of them go on even if every best one ends.
//   3. A candidate ends with an eos id, at max_new_tokens, or when the host says so. Of the first num_beams
//      candidates those that end become hypotheses, with score = sum / (generated tokens) ^ length_penalty;
//      the num_beams best are kept. Of the candidates that do not end the num_beams best run on.
//   4. early_stopping says whether it is enough (sampling_options.h).
// Ties: the lower beam first, then the lower id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling_options.h"
#include "loader/result.h"

namespace gemma {

// New beam i (its index in the list) is old beam `parent` with `token` appended.
struct BeamStep {
  size_t parent = 0;
  int32_t token = 0;
};

// Where the sequences live. Before the search there is one beam, 0: the prompt, its logits computed.
class BeamHost {
 public:
  virtual ~BeamHost() = default;

  // Turns the beams into steps.size() new ones and computes their logits; an error ends the search with it.
  // The steps are ordered so that nothing is copied without need: beam i goes on in place iff
  // steps[i].parent == i, and where it does not, old beam i is the parent of nobody. So copying parent's
  // state over the others', in any order, before any token is appended, is always safe.
  virtual Result<void> advance(std::span<const BeamStep> steps) = 0;

  // (vocab_size) logits after the last token of a beam; valid until the next advance.
  virtual std::span<const float> logits(size_t beam) const = 0;

  // Whether appending `token` would end the beam for a reason of the host's: a stop string. Changes nothing.
  virtual bool ends(size_t /*beam*/, int32_t /*token*/) const { return false; }
};

enum class BeamEnd { kEos, kHost, kLength };

struct BeamHypothesis {
  std::vector<int32_t> tokens;  // generated ones, an eos id included
  double log_probability = 0;   // the sum of processed log-probabilities of all tokens
  double score = 0;             // log_probability / tokens.size() ^ length_penalty
  BeamEnd end = BeamEnd::kLength;
};

// num_return_sequences hypotheses, the best first; fewer only if no more than that many sequences exist.
// Without options.seed beam sampling draws a fresh one, which nobody learns: set it.
// Errors: those of validate(), of the host, and of check_scores() (sampler.h). A beam whose every token is
// suppressed dies; only if nothing else is left, is that an error.
Result<std::vector<BeamHypothesis>> beam_search(BeamHost& host, const SamplingOptions& options,
                                                std::span<const int32_t> prompt, size_t vocab_size);

}  // namespace gemma
