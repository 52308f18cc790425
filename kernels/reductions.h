// Reductions over a row of logits, the sums in float64: what a sampler and an evaluation need of a vocabulary
// of 262144. Vector code by xsimd, for the architecture that the build targets.
//
//   double log_z = log_sum_exp(logits);             // log p[i] = logits[i] - log_z
//   float kth = kth_largest(logits, 64, scratch);   // the candidates of top-k are those >= kth
//
// Every sum runs in eight interleaved lanes that depend on the index alone (element i goes to lane i % 8) and
// are added pairwise at the end: the same result on every run and for any number of threads. -inf is a
// probability of zero everywhere. None of the functions allocates.
#pragma once

#include <cstddef>
#include <span>

namespace gemma::kernels {

// The largest value. NaN if any value is NaN, -inf of nothing.
float maximum(std::span<const float> values);

// The lowest index that holds the largest value; values.size() if there is none: no values, or a NaN among
// them.
size_t argmax(std::span<const float> values);

// Of a vocabulary whose blocks' maxima are known, most is not worth a look. A row's peaks are the maxima of
// its blocks of kPeakBlock values, the last perhaps shorter; who computes the row makes them while a block is
// in its cache.
inline constexpr size_t kPeakBlock = 512;
constexpr size_t peak_count(size_t n) {
  return (n + kPeakBlock - 1) / kPeakBlock;
}

// maximum() of each block of a row, or of a part of one that begins with a block. Requires
// peaks.size() == peak_count(values.size()).
void find_peaks(std::span<const float> values, std::span<float> peaks);

// argmax(values), reading one block of them. values.size() if a peak is NaN.
size_t argmax(std::span<const float> values, std::span<const float> peaks);

// log(sum(exp(values))). -inf if every value is -inf or there is none, NaN if any is NaN, +inf if any is
// +inf.
double log_sum_exp(std::span<const float> values);

// Kullback-Leibler divergence of the softmax of q from that of p, in nats: sum p[i] (log p[i] - log q[i]),
// with log_z_p = log_sum_exp(p) and log_z_q = log_sum_exp(q), both finite. Exactly 0 for equal inputs;
// rounding can make it a little less than 0 (-1e-16) for others. An impossible i of p counts nothing; +inf if
// q finds impossible what p does not. Requires p.size() == q.size().
double kl_divergence(std::span<const float> p, double log_z_p, std::span<const float> q, double log_z_q);

// out[i] = values[i] - log_sum_exp(values), rounded once to float32. Requires out.size() == values.size().
// The inputs must have a finite log-sum-exp.
void log_softmax(std::span<const float> values, std::span<float> out);

// weights[i] = exp((values[i] - peak) / temperature); returns their sum. With peak = maximum(values), finite,
// and temperature > 0 every weight is in [0, 1] and the sum in [1, n].
// Requires weights.size() == values.size().
double softmax_weights(std::span<const float> values, float peak, double temperature,
                       std::span<double> weights);

// How much scratch kth_largest wants for k of n values: two per wanted value, at most all.
size_t kth_largest_scratch(size_t n, size_t k);

// The k-th largest value, equal ones counted each. Requires 1 <= k <= values.size(), no NaN, and
// scratch.size() >= kth_largest_scratch(values.size(), k). One pass that compares 16 values at a time with
// the best lower bound so far; expected work beyond that pass is O(k log(n / k)).
float kth_largest(std::span<const float> values, size_t k, std::span<float> scratch);

}  // namespace gemma::kernels
