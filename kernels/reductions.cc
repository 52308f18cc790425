#include "kernels/reductions.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <xsimd/xsimd.hpp>

namespace gemma::kernels {
namespace {

using Floats = xsimd::batch<float>;
using Doubles = xsimd::batch<double>;

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Lanes of a float64 sum. Fixed, and not the width of the machine's vectors, so that the order of additions
// is the same for SSE2, AVX and NEON.
constexpr size_t kLanes = 8;
constexpr size_t kBatches = kLanes / Doubles::size;
static_assert(kLanes % Doubles::size == 0);

// Floats compared at a time: kBlock / Floats::size vectors.
constexpr size_t kBlock = 16;
static_assert(kBlock % Floats::size == 0);

// exp(x) for x <= 0 or little more. Far below what float64 can show, the library turns x into an exponent
// that no integer holds before it puts the 0 in its place; from kNothing on the answer is 0 all the same.
constexpr double kNothing = -1000.0;
Doubles exponential(const Doubles& x) {
  return xsimd::exp(xsimd::max(x, Doubles(kNothing)));
}

double add_lanes(const double (&lanes)[kLanes]) {
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

// Calls store(i, count, weights) for each block of kLanes weights exp((values[i] - peak) / temperature), and
// returns the sum of all. The last block is filled up with weights of zero.
template <typename Store>
double for_each_weight(std::span<const float> values, double peak, double temperature, Store store) {
  const Doubles shift(peak);
  const Doubles divisor(temperature);
  alignas(64) double block[kLanes];
  alignas(64) double lanes[kLanes] = {};
  Doubles sums[kBatches];
  for (Doubles& sum : sums) sum = Doubles(0.0);
  for (size_t i = 0; i < values.size(); i += kLanes) {
    const size_t count = std::min(kLanes, values.size() - i);
    for (size_t lane = 0; lane < count; ++lane) block[lane] = static_cast<double>(values[i + lane]);
    for (size_t lane = count; lane < kLanes; ++lane) block[lane] = static_cast<double>(kMinusInfinity);
    for (size_t b = 0; b < kBatches; ++b) {
      double* at = block + b * Doubles::size;
      const Doubles weight = exponential((Doubles::load_aligned(at) - shift) / divisor);
      sums[b] = sums[b] + weight;
      weight.store_aligned(at);
    }
    store(i, count, block);
  }
  for (size_t b = 0; b < kBatches; ++b) sums[b].store_aligned(lanes + b * Doubles::size);
  return add_lanes(lanes);
}

}  // namespace

float maximum(std::span<const float> values) {
  Floats best[kBlock / Floats::size];
  for (Floats& b : best) b = Floats(kMinusInfinity);
  xsimd::batch_bool<float> unordered(false);
  size_t i = 0;
  for (; i + kBlock <= values.size(); i += kBlock) {
    for (size_t b = 0; b < kBlock / Floats::size; ++b) {
      const Floats x = Floats::load_unaligned(values.data() + i + b * Floats::size);
      unordered = unordered | (x != x);
      best[b] = xsimd::max(best[b], x);
    }
  }
  // A vector maximum may drop a NaN or keep it, by machine: seen apart, it always wins.
  if (xsimd::any(unordered)) return std::numeric_limits<float>::quiet_NaN();
  alignas(64) float lanes[kBlock];
  for (size_t b = 0; b < kBlock / Floats::size; ++b) best[b].store_aligned(lanes + b * Floats::size);
  float result = *std::max_element(lanes, lanes + kBlock);
  for (; i < values.size(); ++i) {
    if (std::isnan(values[i])) return values[i];
    result = std::max(result, values[i]);
  }
  return result;
}

size_t argmax(std::span<const float> values) {
  const float peak = maximum(values);
  return static_cast<size_t>(std::find(values.begin(), values.end(), peak) - values.begin());
}

void find_peaks(std::span<const float> values, std::span<float> peaks) {
  for (size_t block = 0; block < peaks.size(); ++block) {
    const size_t begin = block * kPeakBlock;
    peaks[block] = maximum(values.subspan(begin, std::min(kPeakBlock, values.size() - begin)));
  }
}

size_t argmax(std::span<const float> values, std::span<const float> peaks) {
  const size_t block = argmax(peaks);
  if (block == peaks.size()) return values.size();
  const size_t begin = block * kPeakBlock;
  return begin + argmax(values.subspan(begin, std::min(kPeakBlock, values.size() - begin)));
}

double log_sum_exp(std::span<const float> values) {
  const float peak = maximum(values);
  if (!std::isfinite(peak)) return static_cast<double>(peak);
  const double shift = static_cast<double>(peak);
  return shift + std::log(for_each_weight(values, shift, 1.0, [](size_t, size_t, const double*) {}));
}

// sum p (x - y) + (log_z_q - log_z_p), x and y the logits: the differences are taken before they are
// weighted, so that nothing large cancels. Eight float64 lanes, as in the other sums.
double kl_divergence(std::span<const float> p, double log_z_p, std::span<const float> q, double log_z_q) {
  const Doubles shift(log_z_p);
  const Doubles zero(0.0);
  alignas(64) double x[kLanes];
  alignas(64) double y[kLanes];
  alignas(64) double lanes[kLanes];
  Doubles sums[kBatches];
  for (Doubles& sum : sums) sum = zero;
  for (size_t i = 0; i < p.size(); i += kLanes) {
    const size_t count = std::min(kLanes, p.size() - i);
    for (size_t lane = 0; lane < count; ++lane) {
      x[lane] = static_cast<double>(p[i + lane]);
      y[lane] = static_cast<double>(q[i + lane]);
    }
    for (size_t lane = count; lane < kLanes; ++lane) x[lane] = y[lane] = static_cast<double>(kMinusInfinity);
    for (size_t b = 0; b < kBatches; ++b) {
      const Doubles left = Doubles::load_aligned(x + b * Doubles::size);
      const Doubles right = Doubles::load_aligned(y + b * Doubles::size);
      const Doubles weight = exponential(left - shift);
      sums[b] = sums[b] + xsimd::select(weight == zero, zero, weight * (left - right));
    }
  }
  for (size_t b = 0; b < kBatches; ++b) sums[b].store_aligned(lanes + b * Doubles::size);
  return add_lanes(lanes) + (log_z_q - log_z_p);
}

void log_softmax(std::span<const float> values, std::span<float> out) {
  const double log_z = log_sum_exp(values);
  for (size_t i = 0; i < values.size(); ++i) {
    out[i] = static_cast<float>(static_cast<double>(values[i]) - log_z);
  }
}

double softmax_weights(std::span<const float> values, float peak, double temperature,
                       std::span<double> weights) {
  return for_each_weight(values, static_cast<double>(peak), temperature,
                         [&](size_t i, size_t count, const double* block) {
                           std::copy_n(block, count, weights.begin() + static_cast<std::ptrdiff_t>(i));
                         });
}

size_t kth_largest_scratch(size_t n, size_t k) {
  return k < n / 2 ? 2 * k : n;
}

float kth_largest(std::span<const float> values, size_t k, std::span<float> scratch) {
  const auto select = [&](size_t count) {
    const auto kth = scratch.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(scratch.begin(), kth, scratch.begin() + static_cast<std::ptrdiff_t>(count),
                     std::greater<float>());
    return *kth;
  };
  const size_t capacity = kth_largest_scratch(values.size(), k);
  // The first values fill the scratch; from then on `bound`, the k-th largest so far, keeps nearly all others
  // out. What only equals the bound cannot change it.
  std::copy_n(values.begin(), capacity, scratch.begin());
  float bound = select(capacity);
  if (capacity == values.size()) return bound;
  size_t count = k;
  const auto offer = [&](float value) {
    if (!(value > bound)) return;
    scratch[count++] = value;
    if (count == capacity) {
      bound = select(count);
      count = k;
    }
  };
  size_t i = capacity;
  for (; i + kBlock <= values.size(); i += kBlock) {
    const Floats limit(bound);
    xsimd::batch_bool<float> above(false);
    for (size_t b = 0; b < kBlock / Floats::size; ++b) {
      above = above | (Floats::load_unaligned(values.data() + i + b * Floats::size) > limit);
    }
    if (!xsimd::any(above)) continue;
    for (size_t j = i; j < i + kBlock; ++j) offer(values[j]);
  }
  for (; i < values.size(); ++i) offer(values[i]);
  return select(count);
}

}  // namespace gemma::kernels
