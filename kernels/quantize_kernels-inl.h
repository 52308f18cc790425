// Weight quantization in Highway, compiled once per instruction set by quantize_kernels.cc. The definitions
// are the scalar functions of kernels/quantize.h. Here the same float32 operations run on a whole group of 32
// at once; maxima and minima do not depend on their order, so the bits are the same. What is rare (values
// that are no bfloat16, NaNs, steps whose intervals do not meet) is handed to the scalar function itself.

#if defined(GEMMA_QUANTIZE_KERNELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA_QUANTIZE_KERNELS_INL_H_
#undef GEMMA_QUANTIZE_KERNELS_INL_H_
#else
#define GEMMA_QUANTIZE_KERNELS_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <span>

#include "hwy/highway.h"
#include "kernels/kernel_table.h"
#include "kernels/quantize.h"

HWY_BEFORE_NAMESPACE();
namespace gemma::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using QFloats = hn::ScalableTag<float>;
using QInts = hn::RebindToSigned<QFloats>;
using QBytes = hn::Rebind<int8_t, QFloats>;
using QVector = hn::Vec<QFloats>;
using QIntVector = hn::Vec<QInts>;

constexpr size_t kLanes = hn::MaxLanes(QFloats());  // vectors of these targets have one size
constexpr size_t kVectors = kGroup / kLanes;
constexpr size_t kBatch = 64;  // groups whose scales are turned into fp16 together

constexpr int32_t kMagnitude = 0x7fffffff;
constexpr int32_t kInfinity = 0x7f800000;

HWY_INLINE QIntVector magnitude_bits(QVector v) {
  return hn::And(hn::BitCast(QInts(), v), hn::Set(QInts(), kMagnitude));
}

HWY_INLINE void store_levels(QVector levels, int8_t* out) {
  hn::StoreU(hn::DemoteTo(QBytes(), hn::ConvertTo(QInts(), levels)), QBytes(), out);
}

// The scales of up to kBatch groups, float32 until the batch is whole.
HWY_INLINE void write_scales(const float* steps, size_t groups, uint16_t* scales_f16) {
  const hn::Rebind<hwy::float16_t, QFloats> halves;
  alignas(64) hwy::float16_t converted[kBatch];
  for (size_t i = 0; i < groups; i += kLanes) {
    hn::StoreU(hn::DemoteTo(halves, hn::Load(QFloats(), steps + i)), halves, converted + i);
  }
  std::memcpy(scales_f16, converted, groups * sizeof(uint16_t));
}

// Levels are found as floats 1.5 * 2^23 too large: that addition rounds to the nearest integer, half to even,
// and leaves it in the lowest bits.
constexpr float kInteger = 0x1.8p23f;

HWY_INLINE QIntVector integers_of(QVector shifted) {
  return hn::Sub(hn::BitCast(QInts(), shifted), hn::BitCast(QInts(), hn::Set(QFloats(), kInteger)));
}

// Whether values with a peak of 1 are levels with a peak of m, and which.
HWY_INLINE bool fit_levels(const QVector* values, int m, QVector* shifted) {
  const QFloats floats;
  const QVector factor = hn::Set(floats, static_cast<float>(m));
  const QVector tolerance = hn::Set(floats, static_cast<float>(m) * 0x1p-7f);
  const QVector integer = hn::Set(floats, kInteger);
  const QVector largest = hn::Set(floats, kInteger + 7);
  auto fits = hn::Eq(factor, factor);
  for (size_t i = 0; i < kVectors; ++i) {
    const QVector x = hn::Mul(values[i], factor);
    shifted[i] = hn::Min(hn::Add(x, integer), largest);
    const QVector error = hn::Abs(hn::Sub(x, hn::Sub(shifted[i], integer)));
    fits = hn::And(fits, hn::Le(error, tolerance));  // a NaN fits nowhere
  }
  return hn::AllTrue(floats, fits);
}

// Whether a level has no divisor in common with m, so that no smaller peak fits
// (docs/decisions/003-recovered-levels-are-exact.md).
HWY_INLINE bool has_coprime(const QVector* shifted, int m) {
  // Of number m, bit l for each such level, known by its lowest four bits.
  static constexpr int32_t kCoprime[9] = {0, 0x8002, 0x8002, 0xc006, 0xa00a, 0xf01e, 0x8822, 0xfc7e, 0xaaaa};
  const QInts ints;
  QIntVector present = hn::Zero(ints);
  for (size_t i = 0; i < kVectors; ++i) {
    const QIntVector level = hn::And(hn::BitCast(ints, shifted[i]), hn::Set(ints, 15));
    present = hn::Or(present, hn::Shl(hn::Set(ints, 1), level));
  }
  const QIntVector proof = hn::And(present, hn::Set(ints, kCoprime[m]));
  return !hn::AllTrue(ints, hn::Eq(proof, hn::Zero(ints)));
}

// The smallest |level| of the peak that fits, and its levels; 0: none does. Trained groups nearly all have a
// peak of -8 or +-7, so the large ones come first: one that fits with a coprime level is the smallest.
// `positive`: the peak is, and so is not -8.
HWY_INLINE int smallest_fit(const QVector* values, bool positive, QVector* shifted) {
  int m = positive ? 7 : 8;
  while (m > 0 && !fit_levels(values, m, shifted)) --m;
  if (m == 0 || has_coprime(shifted, m)) return m;
  for (m = 1; !fit_levels(values, m, shifted);) ++m;
  return m;
}

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
// 1 / |level| for levels -8 to 7, from a table: a division takes three times as long. Eight lanes hold all, 8
// where 0 would stand: the share of level 0 is not looked at.
HWY_INLINE QVector shares_of(QIntVector magnitudes) {
  const QFloats floats;
  alignas(64) static constexpr float kShares[16] = {1 / 8.0f, 1.0f,     1 / 2.0f, 1 / 3.0f,
                                                    1 / 4.0f, 1 / 5.0f, 1 / 6.0f, 1 / 7.0f};
  const QIntVector places = hn::And(magnitudes, hn::Set(QInts(), 7));
  return hn::TableLookupLanes(hn::Load(floats, kShares), hn::IndicesFromVec(floats, places));
}

// The least lane of each of two vectors, half as many steps as for one after the other.
HWY_INLINE void least_lanes(QVector a, QVector b, float& least_a, float& least_b) {
  const QFloats floats;
  QVector both = hn::Min(hn::ConcatLowerLower(floats, b, a), hn::ConcatUpperUpper(floats, b, a));
  if constexpr (kLanes == 16) both = hn::Min(both, hn::SwapAdjacentBlocks(both));
  both = hn::Min(both, hn::Shuffle1032(both));
  both = hn::Min(both, hn::Shuffle2301(both));
  least_a = hn::GetLane(both);
  least_b = hn::GetLane(hn::UpperHalf(hn::Half<QFloats>(), both));
}
#else
HWY_INLINE QVector shares_of(QIntVector magnitudes) {
  return hn::Div(hn::Set(QFloats(), 1.0f), hn::ConvertTo(QFloats(), magnitudes));
}

HWY_INLINE void least_lanes(QVector a, QVector b, float& least_a, float& least_b) {
  least_a = hn::GetLane(hn::MinOfLanes(QFloats(), a));
  least_b = hn::GetLane(hn::MinOfLanes(QFloats(), b));
}
#endif

// Stores the levels of a group, and finds the interval of steps with which they give the stored magnitudes.
HWY_INLINE void steps_of(const float* w, const QVector* shifted, int8_t* levels, float& lowest,
                         float& highest) {
  const QFloats floats;
  const QInts ints;
  const QIntVector half = hn::Set(ints, 0x8000);
  const QVector infinity = hn::Set(floats, std::numeric_limits<float>::infinity());
  QVector low = hn::Zero(floats);
  QVector high = infinity;
  for (size_t i = 0; i < kVectors; ++i) {
    const QIntVector level = integers_of(shifted[i]);
    hn::StoreU(hn::DemoteTo(QBytes(), level), QBytes(), levels + i * kLanes);
    const QIntVector here = magnitude_bits(hn::LoadU(floats, w + i * kLanes));
    const QVector share = shares_of(hn::Abs(level));
    const auto counts = hn::RebindMask(floats, hn::Ne(level, hn::Zero(ints)));
    const QVector from = hn::Mul(hn::BitCast(floats, hn::Sub(here, half)), share);
    const QVector to = hn::Mul(hn::BitCast(floats, hn::Add(here, half)), share);
    low = hn::Max(low, hn::IfThenElseZero(counts, from));
    high = hn::Min(high, hn::IfThenElse(counts, to, infinity));
  }
  float negative = 0;
  least_lanes(hn::Neg(low), high, negative, highest);
  lowest = -negative;
}

// float32 to the nearest bfloat16, half to even, by bits.
HWY_INLINE QIntVector round_to_bf16(QVector v) {
  const QInts ints;
  const QIntVector bits = hn::BitCast(ints, v);
  const QIntVector odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(ints, 1));
  return hn::And(hn::Add(hn::Add(bits, hn::Set(ints, 0x7fff)), odd),
                 hn::Set(ints, static_cast<int32_t>(0xffff0000u)));
}

// Whether step times level, rounded to bfloat16, is each weight. Signs agree, so magnitudes decide.
HWY_INLINE bool reproduces(const float* w, const int8_t* levels, float step) {
  const QFloats floats;
  const QInts ints;
  auto same = hn::Eq(hn::Zero(ints), hn::Zero(ints));
  for (size_t i = 0; i < kVectors; ++i) {
    const QIntVector level = hn::Abs(hn::PromoteTo(ints, hn::LoadU(QBytes(), levels + i * kLanes)));
    const QIntVector rounded = round_to_bf16(hn::Mul(hn::ConvertTo(floats, level), hn::Set(floats, step)));
    same = hn::And(same, hn::Eq(rounded, magnitude_bits(hn::LoadU(floats, w + i * kLanes))));
  }
  return hn::AllTrue(ints, same);
}

// What is known of up to kBatch groups while they are recovered. All pass one stage before any passes the
// next: a stage is short enough for a core to have several groups under way, which the long chain from a
// group's peak to its step is not.
struct GroupBatch {
  alignas(64) float peaks[kBatch] = {};
  alignas(64) float inverses[kBatch] = {};
  alignas(64) float lowest[kBatch] = {};
  alignas(64) float highest[kBatch] = {};
  alignas(64) float steps[kBatch] = {};
  uint64_t unusual = 0;   // the scalar definition must be asked
  uint64_t off_grid = 0;  // no level fits, or no fp16 holds the step
};

template <typename Mask>
HWY_INLINE uint64_t bits_of_mask(Mask mask, size_t first) {
  uint8_t bytes[8] = {};
  hn::StoreMaskBits(QFloats(), mask, bytes);
  uint64_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return bits << first;
}

// The largest magnitudes. Unusual is what holds a value that is no bfloat16 or no number, or nothing but
// zeros.
HWY_INLINE void find_peaks(const float* w, size_t groups, GroupBatch& batch) {
  const QFloats floats;
  const QInts ints;
  for (size_t g = 0; g < groups; ++g) {
    QIntVector peaks = hn::Zero(ints), all = hn::Zero(ints);
    for (size_t i = 0; i < kVectors; ++i) {
      const QVector v = hn::LoadU(floats, w + g * kGroup + i * kLanes);
      peaks = hn::Max(peaks, magnitude_bits(v));
      all = hn::Or(all, hn::BitCast(ints, v));
    }
    const int32_t peak = hn::GetLane(hn::MaxOfLanes(ints, peaks));
    const QIntVector lower_half = hn::And(all, hn::Set(ints, 0xffff));
    const bool odd = !hn::AllTrue(ints, hn::Eq(lower_half, hn::Zero(ints)));
    batch.unusual |= static_cast<uint64_t>(odd | (peak >= kInfinity) | (peak == 0)) << g;
    batch.peaks[g] = std::bit_cast<float>(peak);
  }
  for (size_t g = 0; g < groups; g += kLanes) {
    const QVector inverse = hn::Div(hn::Set(floats, 1.0f), hn::Load(floats, batch.peaks + g));
    hn::Store(inverse, floats, batch.inverses + g);
  }
}

HWY_INLINE void find_levels(const float* w, size_t groups, int8_t* levels, GroupBatch& batch) {
  const QFloats floats;
  for (size_t g = 0; g < groups; ++g) {
    if ((batch.unusual >> g & 1) != 0) continue;
    const QVector peak = hn::Set(floats, batch.peaks[g]);
    const QVector inverse = hn::Set(floats, batch.inverses[g]);
    QVector values[kVectors], shifted[kVectors];
    auto positive = hn::Ne(peak, peak);
    for (size_t i = 0; i < kVectors; ++i) {
      const QVector v = hn::LoadU(floats, w + g * kGroup + i * kLanes);
      positive = hn::Or(positive, hn::Eq(v, peak));
      values[i] = hn::Mul(v, inverse);
    }
    if (smallest_fit(values, !hn::AllFalse(floats, positive), shifted) == 0) {
      batch.off_grid |= uint64_t{1} << g;
      continue;
    }
    steps_of(w + g * kGroup, shifted, levels + g * kGroup, batch.lowest[g], batch.highest[g]);
  }
}

// As place_bf16_step() chooses them.
HWY_INLINE void find_steps(const float* w, size_t groups, const int8_t* levels, GroupBatch& batch) {
  const QFloats floats;
  const QVector slack = hn::Set(floats, kStepSlack);
  alignas(64) float middles[kBatch] = {};
  uint64_t at_the_end = 0;
  for (size_t g = 0; g < groups; g += kLanes) {
    const QVector low = hn::Load(floats, batch.lowest + g), high = hn::Load(floats, batch.highest + g);
    const QVector middle = hn::Mul(hn::Add(low, high), hn::Set(floats, 0.5f));
    const QVector step = hn::BitCast(floats, round_to_bf16(middle));
    const QVector more = hn::Mul(step, slack);
    const auto inside = hn::And(hn::Le(hn::Mul(low, slack), step), hn::Le(more, high));
    const auto near = hn::And(hn::Le(low, more), hn::Le(step, hn::Mul(high, slack)));
    hn::Store(hn::IfThenElse(near, step, middle), floats, batch.steps + g);
    hn::Store(middle, floats, middles + g);
    at_the_end |= bits_of_mask(hn::AndNot(inside, near), g);
    batch.unusual |= bits_of_mask(hn::Gt(low, hn::Mul(high, slack)), g);
  }
  at_the_end &= ~(batch.unusual | batch.off_grid);
  for (; at_the_end != 0; at_the_end &= at_the_end - 1) {
    const size_t g = static_cast<size_t>(std::countr_zero(at_the_end));
    if (!reproduces(w + g * kGroup, levels + g * kGroup, batch.steps[g])) batch.steps[g] = middles[g];
  }
  for (size_t g = 0; g < groups; g += kLanes) {
    const QVector step = hn::Load(floats, batch.steps + g);
    const auto fits =
        hn::And(hn::Gt(step, hn::Set(floats, kLeastStep)), hn::Lt(step, hn::Set(floats, kStepLimit)));
    batch.off_grid |= bits_of_mask(hn::Not(fits), g);
  }
}

inline size_t recover_grid(const float* w, size_t groups, int8_t* levels, uint16_t* scales_f16) {
  size_t off_grid = 0;
  for (size_t first = 0; first < groups; first += kBatch) {
    const size_t n = std::min(kBatch, groups - first);
    const float* values = w + first * kGroup;
    int8_t* to = levels + first * kGroup;
    GroupBatch batch;
    find_peaks(values, n, batch);
    find_levels(values, n, to, batch);
    find_steps(values, n, to, batch);
    write_scales(batch.steps, n, scales_f16 + first);
    const uint64_t present = n == kBatch ? ~uint64_t{0} : (uint64_t{1} << n) - 1;
    batch.off_grid &= ~batch.unusual & present;
    for (; batch.unusual != 0; batch.unusual &= batch.unusual - 1) {
      const size_t g = static_cast<size_t>(std::countr_zero(batch.unusual));
      const bool on_grid =
          q4_0_recover_grid(std::span<const float, kGroup>(values + g * kGroup, kGroup),
                            std::span<int8_t, kGroup>(to + g * kGroup, kGroup), scales_f16[first + g]);
      batch.off_grid |= static_cast<uint64_t>(!on_grid) << g;
    }
    off_grid += static_cast<size_t>(std::popcount(batch.off_grid));
    for (; batch.off_grid != 0; batch.off_grid &= batch.off_grid - 1) {
      scales_f16[first + static_cast<size_t>(std::countr_zero(batch.off_grid))] = kOffGrid;
    }
  }
  return off_grid;
}

// One group by the textbook. False if the scalar definition must be asked.
HWY_INLINE bool textbook_group(const float* w, int8_t* levels, float& d) {
  const QFloats floats;
  const QInts ints;
  QVector v[kVectors];
  QIntVector peaks = hn::Zero(ints);
  for (size_t i = 0; i < kVectors; ++i) {
    v[i] = hn::LoadU(floats, w + i * kLanes);
    peaks = hn::Max(peaks, magnitude_bits(v[i]));
  }
  const int32_t peak = hn::GetLane(hn::MaxOfLanes(ints, peaks));
  if (peak >= kInfinity || peak == 0) return false;
  const QIntVector largest = hn::Set(ints, peak);
  float first = 0;  // of the largest, with its sign
  for (size_t i = 0; i < kVectors; ++i) {
    const auto mask = hn::Eq(magnitude_bits(v[i]), largest);
    if (hn::AllFalse(ints, mask)) continue;
    first = w[i * kLanes + static_cast<size_t>(hn::FindFirstTrue(ints, mask))];
    break;
  }
  d = first / -8.0f;
  const float inverse = 1.0f / d;
  if (!(inverse >= -std::numeric_limits<float>::max() && inverse <= std::numeric_limits<float>::max())) {
    return false;  // d is 0 or so small that its inverse is no number
  }
  for (size_t i = 0; i < kVectors; ++i) {
    const QVector shifted = hn::Add(hn::Mul(v[i], hn::Set(floats, inverse)), hn::Set(floats, 8.5f));
    const QIntVector level =
        hn::Sub(hn::Min(hn::ConvertTo(ints, shifted), hn::Set(ints, 15)), hn::Set(ints, 8));
    hn::StoreU(hn::DemoteTo(QBytes(), level), QBytes(), levels + i * kLanes);
  }
  return true;
}

inline void textbook(const float* w, size_t groups, int8_t* levels, uint16_t* scales_f16) {
  alignas(64) float scales[kBatch] = {};
  for (size_t first = 0; first < groups; first += kBatch) {
    const size_t n = std::min(kBatch, groups - first);
    uint64_t asked = 0;  // groups that the scalar definition computed
    for (size_t g = 0; g < n; ++g) {
      float d = 0;
      if (!textbook_group(w + (first + g) * kGroup, levels + (first + g) * kGroup, d)) {
        asked |= uint64_t{1} << g;
        d = 0;
      }
      scales[g] = d;
    }
    write_scales(scales, n, scales_f16 + first);
    for (size_t g = 0; g < n && asked != 0; ++g) {
      if ((asked >> g & 1) == 0) continue;
      scales_f16[first + g] = q4_0_textbook(std::span<const float, kGroup>(w + (first + g) * kGroup, kGroup),
                                            std::span<int8_t, kGroup>(levels + (first + g) * kGroup, kGroup));
    }
  }
}

inline float absmax(const float* w, size_t n) {
  const QFloats floats;
  QVector largest = hn::Zero(floats);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const QVector here = hn::Abs(hn::LoadU(floats, w + i));
    largest = hn::IfThenElse(hn::Gt(here, largest), here, largest);  // false for a NaN
  }
  float result = hn::GetLane(hn::MaxOfLanes(floats, largest));
  for (; i < n; ++i) {
    const float here = w[i] < 0 ? -w[i] : w[i];
    if (here > result) result = here;
  }
  return result;
}

inline void levels_of(const float* w, size_t n, float scale, int bits, int8_t* levels) {
  const QFloats floats;
  const QVector divisor = hn::Set(floats, scale);
  const QVector limit = hn::Set(floats, static_cast<float>((1 << (bits - 1)) - 1));
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const QVector quotient = hn::Round(hn::Div(hn::LoadU(floats, w + i), divisor));
    const QVector number = hn::IfThenElseZero(hn::Eq(quotient, quotient), quotient);
    store_levels(hn::Min(hn::Max(number, hn::Neg(limit)), limit), levels + i);
  }
  symmetric_levels({w + i, n - i}, scale, bits, {levels + i, n - i});
}

inline void fill_quantize(KernelTable& table) {
  table.recover_grid = recover_grid;
  table.q4_0_textbook = textbook;
  table.absmax = absmax;
  table.symmetric_levels = levels_of;
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma::kernels
HWY_AFTER_NAMESPACE();

#endif  // GEMMA_QUANTIZE_KERNELS_INL_H_
