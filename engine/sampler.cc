#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "kernels/reductions.h"

namespace gemma {
namespace {

int32_t draw(const CandidateFilter& filter, double uniform) {
  const double point = uniform * filter.total();
  double sum = 0.0;
  size_t last = 0;
  for (size_t i = 0; i < filter.ids().size(); ++i) {
    if (filter.weights()[i] == 0.0) continue;
    last = i;
    sum += filter.weights()[i];
    if (point < sum) break;
  }
  // total() was added in another order: a point beyond the last sum belongs to the last possible candidate.
  return filter.ids()[last];
}

}  // namespace

Result<void> check_scores(std::span<const float> scores) {
  const float peak = kernels::maximum(scores);
  if (std::isfinite(peak)) return {};
  if (peak < 0.0f) {
    return fail(ErrorCode::kUsage, "sampling", "every token is suppressed",
                "relax suppress_tokens, logit_bias, min_new_tokens or no_repeat_ngram_size");
  }
  return fail(ErrorCode::kInternal, "logits", fmt::format("expected finite numbers or -inf, found {}", peak));
}

Result<Sampler> Sampler::create(SamplingOptions options, size_t vocab_size, uint64_t stream) {
  if (auto ok = validate(options, vocab_size); !ok) return fail(ok.error());
  if (!options.seed) options.seed = fresh_seed();
  return Sampler(std::make_unique<const SamplingOptions>(std::move(options)), vocab_size, stream);
}

Sampler::Sampler(std::unique_ptr<const SamplingOptions> options, size_t vocab_size, uint64_t stream)
    : options_(std::move(options)),
      processors_(*options_, vocab_size),
      random_(*options_->seed, stream),
      scores_(vocab_size) {}

Result<int32_t> Sampler::next(std::span<const float> logits, std::span<const float> peaks) {
  if (logits.size() != scores_.size()) {
    return fail(ErrorCode::kInternal, "logits",
                fmt::format("expected {} of them, found {}", scores_.size(), logits.size()));
  }
  if (!peaks.empty() && peaks.size() != kernels::peak_count(logits.size())) {
    return fail(ErrorCode::kInternal, "logits",
                fmt::format("expected peaks of {} blocks, found {}", kernels::peak_count(logits.size()),
                            peaks.size()));
  }
  std::span<const float> scores = logits;
  if (!processors_.idle()) {
    std::copy(logits.begin(), logits.end(), scores_.begin());
    processors_.apply(scores_);
    scores = scores_;
    peaks = {};
  }
  if (auto ok = check_scores(peaks.empty() ? scores : peaks); !ok) return fail(ok.error());

  int32_t token = 0;
  if (options_->samples()) {
    filter_.choose(scores, *options_, 1, peaks);
    token = draw(filter_, random_.uniform());
  } else {
    token = static_cast<int32_t>(peaks.empty() ? kernels::argmax(scores) : kernels::argmax(scores, peaks));
  }
  processors_.append(token);
  return token;
}

}  // namespace gemma
