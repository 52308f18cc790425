#include "kernels/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace gemma::kernels {
namespace {

uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

// The values of magnitude |w| that bfloat16 rounds to |w| lie between these two.
struct Interval {
  double low, high;
};

Interval bf16_neighbourhood(float w) {
  const uint32_t magnitude = bits_of(w) & 0x7fffffffu;
  const double here = float_of(magnitude);
  const double below = magnitude >= 0x10000u ? float_of(magnitude - 0x10000u) : 0.0;
  const double above = float_of(magnitude + 0x10000u);
  return {(below + here) / 2, (here + above) / 2};
}

bool is_bf16(float w) {
  return (bits_of(w) & 0xffffu) == 0;
}

}  // namespace

float symmetric_scale(float absmax, int bits) {
  return absmax / static_cast<float>((1 << (bits - 1)) - 1);
}

void symmetric_levels(std::span<const float> w, float scale, int bits, std::span<int8_t> levels) {
  const float largest = static_cast<float>((1 << (bits - 1)) - 1);
  for (size_t i = 0; i < w.size(); ++i) {
    // A NaN or 0/0 fails the first comparison and becomes level 0.
    const float level = std::nearbyint(w[i] / scale);
    levels[i] = level == level ? static_cast<int8_t>(std::clamp(level, -largest, largest)) : int8_t{0};
  }
}

uint16_t q4_0_textbook(std::span<const float, 32> w, std::span<int8_t, 32> levels) {
  float peak = 0;
  for (float x : w) {
    if (std::fabs(x) > std::fabs(peak)) peak = x;
  }
  const float d = peak / -8.0f;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  for (size_t i = 0; i < w.size(); ++i) {
    const float shifted = w[i] * inverse + 8.5f;
    // The range is [0.5, 16.5]; only a NaN or an infinity leaves it.
    levels[i] = shifted >= 0 && shifted < 17
                    ? static_cast<int8_t>(std::min(15, static_cast<int>(shifted)) - 8)
                    : int8_t{0};
  }
  return to_f16(d);
}

bool q4_0_recover_grid(std::span<const float, 32> w, std::span<int8_t, 32> levels, uint16_t& scale_f16) {
  float absmax = 0;
  for (float x : w) {
    if (!std::isfinite(x)) return false;
    absmax = std::max(absmax, std::fabs(x));
  }
  if (absmax == 0) {
    std::fill(levels.begin(), levels.end(), int8_t{0});
    scale_f16 = 0;
    return true;
  }
  const float tolerance = absmax * 0x1p-7f;  // what rounding the product to bfloat16 can move
  for (int m = 1; m <= 8; ++m) {
    const float step = absmax / static_cast<float>(m);
    int8_t found[32];
    bool fits = true;
    for (size_t i = 0; i < w.size() && fits; ++i) {
      const float level = std::clamp(std::nearbyint(w[i] / step), -8.0f, 7.0f);
      found[i] = static_cast<int8_t>(level);
      fits = std::fabs(w[i] - step * level) <= tolerance;
    }
    if (!fits) continue;

    // Every stored value confines the true step to an interval. Their middle, as fp16, reproduces more of the
    // stored bits than least squares does: all of them if the true step is a bfloat16 or fp16 value.
    double low = 0, high = std::numeric_limits<double>::max();
    double products = 0, squares = 0;
    for (size_t i = 0; i < w.size(); ++i) {
      if (found[i] == 0) continue;
      const double level = std::abs(found[i]);
      const Interval near = is_bf16(w[i]) ? bf16_neighbourhood(w[i])
                                          : Interval{std::fabs(static_cast<double>(w[i])),
                                                     std::fabs(static_cast<double>(w[i]))};
      low = std::max(low, near.low / level);
      high = std::min(high, near.high / level);
      products += static_cast<double>(w[i]) * found[i];
      squares += level * level;
    }
    const double middle = low <= high ? (low + high) / 2 : products / squares;
    const uint16_t stored = to_f16(static_cast<float>(middle));
    const float stored_step = from_f16(stored);
    if (stored_step == 0 || !std::isfinite(stored_step)) return false;  // beyond the range of fp16
    // Far down in the range of fp16 the stored step is too coarse to carry the levels that were found.
    for (size_t i = 0; i < w.size(); ++i) {
      if (std::clamp(std::nearbyint(w[i] / stored_step), -8.0f, 7.0f) != found[i]) return false;
    }
    std::copy(found, found + w.size(), levels.begin());
    scale_f16 = stored;
    return true;
  }
  return false;
}

uint16_t to_f16(float x) {
  const uint32_t bits = bits_of(x);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // rounds to 65536 or more
  if (magnitude < 0x38800000u) {
    // Subnormal: adding 0.5 leaves the value in units of 2^-24 in the low bits, rounded by the addition
    // itself.
    const float shifted = float_of(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (bits_of(shifted) - bits_of(0.5f)));
  }
  const uint32_t rebased = magnitude - 0x38000000u;
  return static_cast<uint16_t>(sign | (rebased + 0xfffu + (rebased >> 13 & 1u)) >> 13);
}

float from_f16(uint16_t x) {
  const uint32_t sign = static_cast<uint32_t>(x & 0x8000u) << 16;
  const uint32_t exponent = x >> 10 & 0x1fu;
  const uint32_t mantissa = x & 0x3ffu;
  // A NaN comes out quiet, as the hardware conversions make it.
  if (exponent == 0x1fu)
    return float_of(sign | 0x7f800000u | (mantissa != 0 ? 0x400000u : 0u) | mantissa << 13);
  if (exponent == 0) {
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t to_bf16(float x) {
  const uint32_t bits = bits_of(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits | 0x400000u) >> 16);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

float from_bf16(uint16_t x) {
  return float_of(static_cast<uint32_t>(x) << 16);
}

}  // namespace gemma::kernels
