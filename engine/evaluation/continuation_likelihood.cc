#include "engine/evaluation/continuation_likelihood.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "kernels/reductions.h"

namespace gemma {
namespace {

Failure not_finite(double log_sum) {
  return fail(ErrorCode::kInternal, "logits",
              fmt::format("expected finite numbers or -inf, found a log-sum of {}", log_sum));
}

// Brings the session to the context and returns the logits behind it. At least the last token is computed.
Result<std::span<const float>> read_context(Session& session, std::span<const int32_t> context) {
  const size_t keep = std::min(session.common_prefix(context), context.size() - 1);
  if (keep < session.position() && !session.rollback(keep)) session.reset();
  return session.extend(context.subspan(session.position()));
}

}  // namespace

size_t Continuations::longest() const {
  size_t most = 0;
  for (const std::vector<int32_t>& one : continuations) most = std::max(most, one.size());
  return most;
}

Continuations share_context(std::span<const int32_t> context, std::vector<std::vector<int32_t>> wholes) {
  size_t shared = context.size();
  for (const std::vector<int32_t>& whole : wholes) {
    const auto end = std::mismatch(context.begin(), context.end(), whole.begin(), whole.end());
    // A whole that is no longer than the context still needs a token to score.
    shared = std::min({shared, static_cast<size_t>(end.first - context.begin()), whole.size() - 1});
  }
  Continuations result;
  result.context.assign(context.begin(), context.begin() + static_cast<std::ptrdiff_t>(shared));
  for (std::vector<int32_t>& whole : wholes) {
    whole.erase(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(shared));
  }
  result.continuations = std::move(wholes);
  return result;
}

Result<std::vector<double>> continuation_log_likelihoods(Session& session, const Continuations& asked) {
  Result<std::span<const float>> behind = read_context(session, asked.context);
  if (!behind) return fail(std::move(behind.error()));
  const double log_sum = kernels::log_sum_exp(*behind);
  if (!std::isfinite(log_sum)) return not_finite(log_sum);
  // All first tokens now: the logits are gone with the next call.
  std::vector<double> sums;
  for (const std::vector<int32_t>& continuation : asked.continuations) {
    const auto first = static_cast<size_t>(continuation.front());
    if (first >= behind->size()) {
      return fail(ErrorCode::kUsage, "token",
                  fmt::format("expected an id below {}, found {}", behind->size(), continuation.front()));
    }
    sums.push_back(static_cast<double>((*behind)[first]) - log_sum);
  }
  for (size_t i = 0; i < asked.continuations.size(); ++i) {
    const std::span<const int32_t> continuation = asked.continuations[i];
    if (continuation.size() == 1) continue;
    size_t next = 0;
    double bad_sum = 0;
    const LogitsSink score = [&](size_t, std::span<const float> logits) {
      const double sum = kernels::log_sum_exp(logits);
      if (!std::isfinite(sum)) bad_sum = sum;
      sums[i] += static_cast<double>(logits[static_cast<size_t>(continuation[++next])]) - sum;
    };
    const auto last = static_cast<size_t>(continuation.back());
    if (last >= session.model().config().vocab_size) {
      return fail(ErrorCode::kUsage, "token",
                  fmt::format("expected an id below {}, found {}", session.model().config().vocab_size,
                              continuation.back()));
    }
    Result<void> read = session.evaluate(continuation.first(continuation.size() - 1), 0, score);
    if (!read) return fail(std::move(read.error()));
    if (!std::isfinite(bad_sum)) return not_finite(bad_sum);
    Result<void> back = session.rollback(asked.context.size());
    if (!back) return fail(std::move(back.error()));
  }
  return sums;
}

}  // namespace gemma
