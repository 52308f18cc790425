// How often which values went into or came out of a matrix: counts in bins of equal relative width, from
// which static scales are chosen (engine/static_choice.h). Counts are whole numbers, so the result does not
// depend on the order, the chunks or the threads in which the values came.
//
// A bin holds the float32 values of one sign that agree in exponent and the first 8 bits of the mantissa: its
// upper end is at most 1 + 2^-8 times its lower. Below 2^-126 bins are 2^-134 wide.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace gemma {

class ActivationHistogram {
 public:
  void add(std::span<const float> values);

  uint64_t count() const { return count_; }            // of finite values
  uint64_t not_finite() const { return not_finite_; }  // infinities and NaNs: counted, and left out
  float lowest() const { return lowest_; }             // 0 if there are no values
  float highest() const { return highest_; }
  float absmax() const { return lowest_ + highest_ < 0 ? -lowest_ : highest_; }

  // The ceil(count * percent / 100)-th smallest magnitude v, rounded up to the end of its bin but not beyond
  // absmax(): the result lies in [v, v * (1 + 2^-8)] (2^-134 above v at most where v < 2^-126). 0 < percent
  // <= 100; 0 if there are no values.
  float magnitude_percentile(double percent) const;

  // The same of the values themselves from both ends: (100 - percent) % lie below the first and above the
  // second, each rounded away from 0 to the end of its bin, but not beyond lowest() and highest(). Includes
  // 0.
  std::pair<float, float> range_percentile(double percent) const;

  struct Bin {
    double value;  // the middle of the bin; 0 for the one that begins at 0
    uint64_t count;
  };
  // The bins that hold something, by sign and then ascending magnitude.
  std::vector<Bin> bins() const;

 private:
  static constexpr size_t kBins = 256;     // of a binade
  static constexpr int kBelowBin = 15;     // bits of the mantissa that a bin does not tell apart
  static constexpr size_t kBinades = 256;  // of a sign
  // The bins of a binade, empty until a value falls into it; the binades of the negative values are behind.
  std::array<std::vector<uint64_t>, 2 * kBinades> binades_;
  uint64_t count_ = 0, not_finite_ = 0;
  float lowest_ = 0, highest_ = 0;

  uint64_t in_bin(size_t bin) const {
    const std::vector<uint64_t>& binade = binades_[bin / kBins];
    return binade.empty() ? 0 : binade[bin % kBins];
  }
  float percentile_end(size_t sign, uint64_t beyond) const;
};

}  // namespace gemma
