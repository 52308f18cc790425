// How likely a model finds each of several continuations of one context: what multiple choice is made of.
//
// The context goes through the model once; its keys and values serve all continuations. A continuation of
// one token costs nothing more: the logits behind the context hold it.
//
//   Continuations asked = share_context(context_ids, {whole_a, whole_b});
//   Result<std::vector<double>> ll = continuation_log_likelihoods(session, asked);
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/session.h"

namespace gemma {

struct Continuations {
  std::vector<int32_t> context;                     // not empty
  std::vector<std::vector<int32_t>> continuations;  // each not empty

  size_t longest() const;  // tokens of the longest continuation
};

// A tokenizer may join the end of the context with the beginning of a choice. So context + choice is encoded
// as one text, and what all these sequences and the context alone begin with is the context; the rest, the
// changed end of the context included, is scored for every choice alike. Where nothing is joined, this is
// lm-evaluation-harness's split. Requires that `context` and every whole begin alike (with <bos>).
Continuations share_context(std::span<const int32_t> context, std::vector<std::vector<int32_t>> wholes);

// For each continuation the sum over its tokens of log softmax(logits)[token], natural logarithm, in float64.
// What the session holds of the context already is not computed again; it ends at the context.
//
// kUsage if the context and a continuation do not fit the session's context or a continuation is longer than
// the session can roll back; kInternal for logits without a finite sum.
Result<std::vector<double>> continuation_log_likelihoods(Session& session, const Continuations& asked);

}  // namespace gemma
