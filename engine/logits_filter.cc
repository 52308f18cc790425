#include "engine/logits_filter.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include "kernels/reductions.h"

namespace gemma {

void CandidateFilter::choose(std::span<const float> scores, const SamplingOptions& options, size_t min_keep,
                             std::span<const float> peaks) {
  // The temperature divides every score alike and so cannot change which are the k largest: top-k first keeps
  // the exponentials to a few.
  keep_top_k(scores, options.top_k > 0 ? std::max(static_cast<size_t>(options.top_k), min_keep) : 0, peaks);
  weights_.resize(std::max(weights_.size(), count_));
  const std::span<const float> kept(scores_.data(), count_);
  total_ = kernels::softmax_weights(kept, kernels::maximum(kept), options.temperature,
                                    std::span<double>(weights_.data(), count_));
  if (options.top_p < 1.0) keep_top_p(options.top_p, min_keep);
  if (options.min_p > 0.0) keep_min_p(options.min_p, min_keep);
}

float CandidateFilter::kth_largest(std::span<const float> scores, size_t k) {
  scratch_.resize(std::max(scratch_.size(), kernels::kth_largest_scratch(scores.size(), k)));
  return kernels::kth_largest(scores, k, scratch_);
}

void CandidateFilter::keep_from(float limit, std::span<const float> scores, size_t first_id) {
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] < limit) continue;
    ids_.push_back(static_cast<int32_t>(first_id + i));
    scores_.push_back(scores[i]);
  }
}

void CandidateFilter::keep_top_k(std::span<const float> scores, size_t k, std::span<const float> peaks) {
  constexpr float kLowest = std::numeric_limits<float>::lowest();  // only -inf is below
  ids_.clear();
  scores_.clear();
  if (k == 0 || k >= scores.size()) {
    keep_from(kLowest, scores, 0);
  } else if (k > peaks.size()) {
    keep_from(std::max(kLowest, kth_largest(scores, k)), scores, 0);
  } else {
    // Each of the k highest blocks has a score that is no less than the k-th peak, so the k-th largest score
    // is not below it: what is, and all blocks that are, can be passed over.
    const float bound = std::max(kLowest, kth_largest(peaks, k));
    for (size_t block = 0; block < peaks.size(); ++block) {
      if (peaks[block] < bound) continue;
      const size_t begin = block * kernels::kPeakBlock;
      keep_from(bound, scores.subspan(begin, std::min(kernels::kPeakBlock, scores.size() - begin)), begin);
    }
    const float limit = scores_.size() > k ? kth_largest(scores_, k) : bound;
    size_t kept = 0;
    for (size_t i = 0; i < ids_.size(); ++i) {
      if (scores_[i] < limit) continue;
      ids_[kept] = ids_[i];
      scores_[kept++] = scores_[i];
    }
    ids_.resize(kept);
    scores_.resize(kept);
  }
  count_ = ids_.size();
}

void CandidateFilter::keep_top_p(double top_p, size_t min_keep) {
  const auto more_probable = [&](uint32_t a, uint32_t b) {
    return scores_[a] != scores_[b] ? scores_[a] > scores_[b] : a < b;
  };
  order_.resize(count_);
  std::iota(order_.begin(), order_.end(), 0u);
  // Sorted piece by piece, each four times as long as the last, until the sum is reached: seldom all of it.
  const double wanted = top_p * total_;
  double sum = 0.0;
  size_t kept = 0, sorted = 0;
  for (size_t piece = 128; kept == sorted && sorted < count_; piece *= 4) {
    const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(sorted);
    sorted = std::min(count_, sorted + piece);
    const auto end = order_.begin() + static_cast<std::ptrdiff_t>(sorted);
    std::nth_element(begin, end - 1, order_.end(), more_probable);
    std::sort(begin, end, more_probable);
    while (kept < sorted && (kept < min_keep || sum < wanted)) sum += weights_[order_[kept++]];
  }
  other_ids_.resize(std::max(other_ids_.size(), kept));
  other_weights_.resize(std::max(other_weights_.size(), kept));
  for (size_t i = 0; i < kept; ++i) {
    other_ids_[i] = ids_[order_[i]];
    other_weights_[i] = weights_[order_[i]];
  }
  ids_.swap(other_ids_);
  weights_.swap(other_weights_);
  count_ = kept;
  total_ = sum;
}

void CandidateFilter::keep_min_p(double min_p, size_t min_keep) {
  // The greatest weight is 1, so min_p is the limit itself.
  double limit = min_p;
  if (min_keep > 1) {
    other_weights_.assign(weights_.begin(), weights_.begin() + static_cast<std::ptrdiff_t>(count_));
    const auto nth = other_weights_.begin() + static_cast<std::ptrdiff_t>(std::min(min_keep, count_) - 1);
    std::nth_element(other_weights_.begin(), nth, other_weights_.end(), std::greater<double>());
    limit = std::min(limit, *nth);
  }
  size_t kept = 0;
  total_ = 0.0;
  for (size_t i = 0; i < count_; ++i) {
    if (weights_[i] < limit) continue;
    ids_[kept] = ids_[i];
    weights_[kept] = weights_[i];
    total_ += weights_[kept++];
  }
  count_ = kept;
}

}  // namespace gemma
