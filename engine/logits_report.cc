#include "engine/logits_report.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "kernels/reductions.h"

namespace gemma {

Result<LogprobReport> report_logprobs(std::span<const float> logits, int32_t chosen, size_t top) {
  if (chosen < 0 || static_cast<size_t>(chosen) >= logits.size()) {
    return fail(ErrorCode::kUsage, "token",
                fmt::format("expected an id below {}, found {}", logits.size(), chosen));
  }
  const double log_z = kernels::log_sum_exp(logits);
  if (!std::isfinite(log_z)) {
    return fail(ErrorCode::kInternal, "logits",
                fmt::format("expected finite numbers or -inf, found a log-sum of {}", log_z));
  }
  const auto entry = [&](size_t id) {
    return TokenLogprob{static_cast<int32_t>(id), static_cast<double>(logits[id]) - log_z};
  };
  LogprobReport report{entry(static_cast<size_t>(chosen)), {}};
  top = std::min(top, logits.size());
  if (top == 0) return report;

  std::vector<float> scratch(kernels::kth_largest_scratch(logits.size(), top));
  const float limit = kernels::kth_largest(logits, top, scratch);
  // Those above the limit are fewer than `top`; those that equal it may be all of the vocabulary, and only
  // the first of them fill up the rest.
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] > limit) report.top.push_back(entry(id));
  }
  for (size_t id = 0; id < logits.size() && report.top.size() < top; ++id) {
    if (logits[id] == limit) report.top.push_back(entry(id));
  }
  std::sort(report.top.begin(), report.top.end(), [&](const TokenLogprob& a, const TokenLogprob& b) {
    return a.logprob != b.logprob ? a.logprob > b.logprob : a.id < b.id;
  });
  return report;
}

}  // namespace gemma
