#include "kernels/reductions.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <iterator>
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

// exp(x) for x <= 0 or little more; 0 below kNothing, where float64 leaves its normal numbers. Relative error
// below 5e-16. Additions and multiplications only, in one order, so that every machine computes the same
// bits: x = n ln 2 + r with |r| <= ln(2) / 2, the Taylor series of exp(r) to r^12 by Estrin's scheme, 2^n by
// adding n to the exponent. Half the time of the library's, which has more cases to mind.
constexpr double kNothing = -708.0;
Doubles exponential(const Doubles& given) {
  using Bits = xsimd::batch<int64_t>;
  const auto all = [](double value) { return Doubles(value); };
  // Adding 1.5 * 2^52 rounds to a whole number and leaves it in the lowest bits.
  const Doubles magic = all(6755399441055744.0);
  const Doubles x = xsimd::max(given, all(kNothing));
  const Doubles shifted = x * all(1.4426950408889634) + magic;
  const Doubles n = shifted - magic;
  // ln 2 in two parts: the first has so few bits that n times it is exact.
  const Doubles r = (x - n * all(6.93147180369123816490e-01)) - n * all(1.90821492927058770002e-10);
  const Doubles r2 = r * r, r4 = r2 * r2;
  const Doubles p01 = all(1.0) + r, p23 = all(0.5) + r * all(1.0 / 6);
  const Doubles p45 = all(1.0 / 24) + r * all(1.0 / 120), p67 = all(1.0 / 720) + r * all(1.0 / 5040);
  const Doubles p89 = all(1.0 / 40320) + r * all(1.0 / 362880);
  const Doubles p1011 = all(1.0 / 3628800) + r * all(1.0 / 39916800);
  const Doubles high = (p45 + r2 * p67) + r4 * ((p89 + r2 * p1011) + r4 * all(1.0 / 479001600));
  const Doubles series = p01 + r2 * (p23 + r2 * high);
  constexpr int kMantissaBits = 52;
  const Bits exponent = xsimd::bitwise_cast<Bits>(shifted) << kMantissaBits;
  const Doubles power = xsimd::bitwise_cast<Doubles>(xsimd::bitwise_cast<Bits>(series) + exponent);
  return xsimd::select(given < all(kNothing), all(0.0), power);
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

// The sum of exp(values[i] - peak), in lanes.
double sum_of_weights(std::span<const float> values, double peak) {
  const Doubles shift(peak);
  alignas(64) double block[kLanes];
  alignas(64) double lanes[kLanes];
  Doubles sums[kBatches];
  for (Doubles& sum : sums) sum = Doubles(0.0);
  const auto add = [&] {
    for (size_t b = 0; b < kBatches; ++b) {
      sums[b] = sums[b] + exponential(Doubles::load_aligned(block + b * Doubles::size) - shift);
    }
  };
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) block[lane] = static_cast<double>(values[i + lane]);
    add();
  }
  if (i < values.size()) {
    std::fill(std::begin(block), std::end(block), static_cast<double>(kMinusInfinity));
    for (size_t lane = 0; i + lane < values.size(); ++lane)
      block[lane] = static_cast<double>(values[i + lane]);
    add();
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
  return shift + std::log(sum_of_weights(values, shift));
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
