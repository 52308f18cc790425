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
class ScaleBatch {
 public:
  HWY_INLINE void set(size_t group, float step) { steps_[group] = step; }
  HWY_INLINE void mark_off_grid(size_t group) {
    steps_[group] = 0;
    off_grid_ |= uint64_t{1} << group;
  }
  // Returns how many were marked.
  HWY_INLINE size_t write(size_t groups, uint16_t* scales_f16) {
    const hn::Rebind<hwy::float16_t, QFloats> halves;
    alignas(64) hwy::float16_t converted[kBatch];
    for (size_t i = 0; i < groups; i += kLanes) {
      hn::StoreU(hn::DemoteTo(halves, hn::Load(QFloats(), steps_ + i)), halves, converted + i);
    }
    std::memcpy(scales_f16, converted, groups * sizeof(uint16_t));
    size_t marked = 0;
    for (size_t i = 0; off_grid_ >> i != 0; ++i) {
      if ((off_grid_ >> i & 1) == 0) continue;
      scales_f16[i] = kOffGrid;
      ++marked;
      if (i == kBatch - 1) break;  // a shift by 64 is none
    }
    off_grid_ = 0;
    return marked;
  }

 private:
  alignas(64) float steps_[kBatch] = {};
  uint64_t off_grid_ = 0;
};

// Whether step times level, rounded to bfloat16, is each weight. Signs agree, so magnitudes decide.
HWY_INLINE bool reproduces(const float* w, const QVector* levels, float step) {
  const QInts ints;
  auto same = hn::Eq(hn::Zero(ints), hn::Zero(ints));
  for (size_t i = 0; i < kVectors; ++i) {
    const QIntVector product = hn::BitCast(ints, hn::Mul(hn::Abs(levels[i]), hn::Set(QFloats(), step)));
    const QIntVector odd = hn::And(hn::ShiftRight<16>(product), hn::Set(ints, 1));
    const QIntVector rounded = hn::And(hn::Add(hn::Add(product, hn::Set(ints, 0x7fff)), odd),
                                       hn::Set(ints, static_cast<int32_t>(0xffff0000u)));
    const QIntVector here = magnitude_bits(hn::LoadU(QFloats(), w + i * kLanes));
    same = hn::And(same, hn::Eq(rounded, here));
  }
  return hn::AllTrue(ints, same);
}

// One group of bfloat16 values onto its grid. False if the scalar definition must be asked: something is
// unusual. Otherwise `step` is the step, or negative if the group is on no grid.
HWY_INLINE bool recover_group(const float* w, int8_t* levels, float& step) {
  const QFloats floats;
  const QInts ints;
  QVector v[kVectors];
  QIntVector peaks = hn::Zero(ints), all = hn::Zero(ints);
  for (size_t i = 0; i < kVectors; ++i) {
    v[i] = hn::LoadU(floats, w + i * kLanes);
    peaks = hn::Max(peaks, magnitude_bits(v[i]));
    all = hn::Or(all, hn::BitCast(ints, v[i]));
  }
  const int32_t peak = hn::GetLane(hn::MaxOfLanes(ints, peaks));
  const QIntVector lower_half = hn::And(all, hn::Set(ints, 0xffff));
  if (peak >= kInfinity || peak == 0 || !hn::AllTrue(ints, hn::Eq(lower_half, hn::Zero(ints)))) return false;

  const QVector inverse = hn::Div(hn::Set(floats, 1.0f), hn::BitCast(floats, hn::Set(ints, peak)));
  for (size_t i = 0; i < kVectors; ++i) v[i] = hn::Mul(v[i], inverse);

  const QVector seven = hn::Set(floats, 7.0f);
  step = -1;
  for (int m = 1; m <= 8; ++m) {
    const QVector factor = hn::Set(floats, static_cast<float>(m));
    const QVector tolerance = hn::Set(floats, static_cast<float>(m) * 0x1p-7f);
    QVector found[kVectors];
    QVector errors = hn::Zero(floats);
    const auto try_vector = [&](size_t i) HWY_ATTR {
      const QVector x = hn::Mul(v[i], factor);
      found[i] = hn::Min(hn::Round(x), seven);
      errors = hn::Max(errors, hn::Abs(hn::Sub(x, found[i])));
      return hn::AllTrue(floats, hn::Le(errors, tolerance));
    };
    // Most factors end at the first vector already.
    bool fits = true;
    for (size_t i = 0; i < kVectors && fits; ++i) fits = try_vector(i);
    if (!fits) continue;

    QVector low = hn::Zero(floats);
    QVector high = hn::Set(floats, std::numeric_limits<float>::infinity());
    for (size_t i = 0; i < kVectors; ++i) {
      const QIntVector here = magnitude_bits(hn::LoadU(floats, w + i * kLanes));
      const QIntVector half = hn::Set(ints, 0x8000);
      const QVector share = hn::Div(hn::Set(floats, 1.0f), hn::Abs(found[i]));
      const auto counts = hn::Ne(found[i], hn::Zero(floats));
      const QVector from = hn::Mul(hn::BitCast(floats, hn::Sub(here, half)), share);
      const QVector to = hn::Mul(hn::BitCast(floats, hn::Add(here, half)), share);
      low = hn::Max(low, hn::IfThenElseZero(counts, from));
      high = hn::Min(high, hn::IfThenElse(counts, to, high));
    }
    const float lowest = hn::GetLane(hn::MaxOfLanes(floats, low));
    const float highest = hn::GetLane(hn::MinOfLanes(floats, high));
    if (lowest > highest * kStepSlack) return false;
    float chosen = 0;
    switch (place_bf16_step(lowest, highest, chosen)) {
      case StepPlace::kInside:
        break;
      case StepPlace::kAtTheEnd:
        if (reproduces(w, found, chosen)) break;
        [[fallthrough]];
      case StepPlace::kOutside:
        chosen = (lowest + highest) * 0.5f;
    }
    if (!(chosen > kLeastStep && chosen < kStepLimit)) return true;
    step = chosen;
    for (size_t i = 0; i < kVectors; ++i) store_levels(found[i], levels + i * kLanes);
    return true;
  }
  return true;
}

inline size_t recover_grid(const float* w, size_t groups, int8_t* levels, uint16_t* scales_f16) {
  ScaleBatch scales;
  size_t off_grid = 0;
  for (size_t first = 0; first < groups; first += kBatch) {
    const size_t n = std::min(kBatch, groups - first);
    for (size_t g = 0; g < n; ++g) {
      const float* values = w + (first + g) * kGroup;
      int8_t* to = levels + (first + g) * kGroup;
      float step = 0;
      if (!recover_group(values, to, step)) {
        uint16_t scale = 0;
        const bool on_grid = q4_0_recover_grid(std::span<const float, kGroup>(values, kGroup),
                                               std::span<int8_t, kGroup>(to, kGroup), scale);
        step = on_grid ? from_f16(scale) : -1.0f;
      }
      if (step < 0) {
        scales.mark_off_grid(g);
      } else {
        scales.set(g, step);
      }
    }
    off_grid += scales.write(n, scales_f16 + first);
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
  ScaleBatch scales;
  for (size_t first = 0; first < groups; first += kBatch) {
    const size_t n = std::min(kBatch, groups - first);
    uint64_t asked = 0;  // groups that the scalar definition computed
    for (size_t g = 0; g < n; ++g) {
      float d = 0;
      if (!textbook_group(w + (first + g) * kGroup, levels + (first + g) * kGroup, d)) {
        asked |= uint64_t{1} << g;
        d = 0;
      }
      scales.set(g, d);
    }
    scales.write(n, scales_f16 + first);
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
