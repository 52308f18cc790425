// From scores to the candidates of a draw, in this order: temperature, top-k, top-p, min-p.
//
//   CandidateFilter filter;
//   filter.choose(scores, options, 1);
//   filter.ids()[i] is drawn with probability filter.weights()[i] / filter.total()
//
// As in transformers:
//   top-k   keeps every score that is not below the k-th largest: all of equal ones, so perhaps more than k;
//   top-p   of what is left, the most probable ids until their sum reaches top_p, the one that reaches it
//           included; of equal ones the lowest ids first;
//   min-p   of what is left, those at least min_p times as probable as the most probable.
// Each keeps at least min_keep ids: 1 for sampling, more for beam search (beam_search.h).
//
// Probabilities are float64. Nothing is sorted but what top-p keeps, and top-k reads the vocabulary once. The
// buffers stay with the filter: no allocation once they have grown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling_options.h"

namespace gemma {

class CandidateFilter {
 public:
  // Requires scores without NaN and +inf, at least one above -inf, options.temperature > 0, min_keep >= 1.
  // `peaks`, of kernels/reductions.h, spare reading most of the scores under top-k; empty: not known.
  void choose(std::span<const float> scores, const SamplingOptions& options, size_t min_keep,
              std::span<const float> peaks = {});

  // The candidates, parallel arrays. Ids ascend, unless top-p has put the most probable first.
  std::span<const int32_t> ids() const { return {ids_.data(), count_}; }
  // exp((score - best score) / temperature): relative to the most probable, whose weight is 1. The sum of
  // all.
  std::span<const double> weights() const { return {weights_.data(), count_}; }
  double total() const { return total_; }

 private:
  void keep_top_k(std::span<const float> scores, size_t k, std::span<const float> peaks);
  float kth_largest(std::span<const float> scores, size_t k);
  void keep_from(float limit, std::span<const float> scores, size_t first_id);
  void keep_top_p(double top_p, size_t min_keep);
  void keep_min_p(double min_p, size_t min_keep);

  size_t count_ = 0;
  double total_ = 0.0;
  std::vector<int32_t> ids_;
  std::vector<float> scores_;  // of ids_, before the temperature
  std::vector<double> weights_;
  std::vector<float> scratch_;   // of the k-th largest
  std::vector<uint32_t> order_;  // candidates by falling weight, as far as needed
  std::vector<int32_t> other_ids_;
  std::vector<double> other_weights_;  // two more of the kind: where top-p gathers, min-p selects
};

}  // namespace gemma
