#include "engine/activation_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace gemma {
namespace {

// How many of `count` values, the smallest first, make up `percent` of them: at least one.
uint64_t rank_of(double percent, uint64_t count) {
  const double rank = std::ceil(percent / 100 * static_cast<double>(count));
  return std::clamp<uint64_t>(static_cast<uint64_t>(rank), 1, count);
}

}  // namespace

void ActivationHistogram::add(std::span<const float> values) {
  for (float value : values) {
    if (!std::isfinite(value)) {
      ++not_finite_;
      continue;
    }
    const uint32_t bin = std::bit_cast<uint32_t>(value) >> kBelowBin;
    std::vector<uint64_t>& binade = binades_[bin / kBins];
    if (binade.empty()) binade.resize(kBins);
    ++binade[bin % kBins];
    ++count_;
    lowest_ = std::min(lowest_, value);
    highest_ = std::max(highest_, value);
  }
}

float ActivationHistogram::magnitude_percentile(double percent) const {
  if (count_ == 0) return 0;
  const uint64_t rank = rank_of(percent, count_);
  uint64_t seen = 0;
  for (size_t bin = 0; bin < kBinades * kBins; ++bin) {
    seen += in_bin(bin) + in_bin(kBinades * kBins + bin);
    if (seen < rank) continue;
    // The end of the last binade is infinity, and absmax() is not.
    return std::min(std::bit_cast<float>(static_cast<uint32_t>(bin + 1) << kBelowBin), absmax());
  }
  return absmax();
}

// The outer end of the bin of one sign beyond which no more than `beyond` values lie; 0 if all of that sign
// do.
float ActivationHistogram::percentile_end(size_t sign, uint64_t beyond) const {
  uint64_t seen = 0;
  for (size_t bin = kBinades * kBins; bin-- > 0;) {
    seen += in_bin(sign * kBinades * kBins + bin);
    if (seen > beyond) return std::bit_cast<float>(static_cast<uint32_t>(bin + 1) << kBelowBin);
  }
  return 0;
}

std::pair<float, float> ActivationHistogram::range_percentile(double percent) const {
  if (count_ == 0) return {0.0f, 0.0f};
  const uint64_t beyond = count_ - rank_of(percent, count_);
  return {std::max(-percentile_end(1, beyond), lowest_), std::min(percentile_end(0, beyond), highest_)};
}

std::vector<ActivationHistogram::Bin> ActivationHistogram::bins() const {
  std::vector<Bin> found;
  for (size_t binade = 0; binade < binades_.size(); ++binade) {
    for (size_t i = 0; i < binades_[binade].size(); ++i) {
      if (binades_[binade][i] == 0) continue;
      const size_t sign = binade / kBinades;
      const uint32_t magnitude = static_cast<uint32_t>((binade % kBinades) * kBins + i) << kBelowBin;
      const double low = std::bit_cast<float>(magnitude);
      // Half a bin up is a float32 as well: the middle of the last bin is finite.
      const double middle = magnitude == 0 ? 0 : std::bit_cast<float>(magnitude + (1u << (kBelowBin - 1)));
      found.push_back({low == 0 ? 0 : sign == 1 ? -middle : middle, binades_[binade][i]});
    }
  }
  return found;
}

}  // namespace gemma
