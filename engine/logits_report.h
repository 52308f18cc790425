// How probable the model itself found a token: log-probabilities of the softmax of its own logits, before any
// option has changed them (temperature and penalties included). So a report compares models, not settings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "loader/result.h"

namespace gemma {

struct TokenLogprob {
  int32_t id = 0;
  double logprob = 0.0;  // natural logarithm, <= 0; -inf for an impossible token
};

struct LogprobReport {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;  // the most probable first; of equal ones the lowest id first
};

// `top` ids at most, as many as there are. kUsage if chosen is no index of logits; kInternal if the logits
// hold a NaN or +inf, or nothing but -inf.
Result<LogprobReport> report_logprobs(std::span<const float> logits, int32_t chosen, size_t top);

}  // namespace gemma
