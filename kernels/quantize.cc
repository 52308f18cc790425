#include "kernels/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
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

// Half of the distance between neighbouring bfloat16 values, as a difference of float32 bits. The bits of a
// bfloat16 value less or plus this are the ends of what rounds to it, at the edge of a binade too.
constexpr uint32_t kHalfBf16 = 0x8000u;

bool is_bf16(uint32_t bits) {
  return (bits & 0xffffu) == 0;
}

// Whether step times level is each weight, rounded to bfloat16 where the weight is one.
bool reproduces(std::span<const float, 32> w, const int8_t* levels, float step) {
  for (size_t i = 0; i < w.size(); ++i) {
    const float product = step * static_cast<float>(levels[i]);
    if (w[i] != (is_bf16(bits_of(w[i])) ? from_bf16(to_bf16(product)) : product)) return false;
  }
  return true;
}

// The step of a group whose levels are known; not all are 0.
float grid_step(std::span<const float, 32> w, const int8_t* levels) {
  float low = 0, high = std::numeric_limits<float>::infinity();
  double products = 0, squares = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    if (levels[i] == 0) continue;
    const uint32_t magnitude = bits_of(w[i]) & 0x7fffffffu;
    const uint32_t half = is_bf16(magnitude) ? kHalfBf16 : 0;
    const float share = 1.0f / static_cast<float>(std::abs(levels[i]));
    low = std::max(low, float_of(magnitude - half) * share);
    high = std::min(high, float_of(magnitude + half) * share);
    products += static_cast<double>(w[i]) * levels[i];
    squares += static_cast<double>(levels[i]) * levels[i];
  }
  if (low > high * kStepSlack) return static_cast<float>(products / squares);
  float step = 0;
  const StepPlace place = place_bf16_step(low, high, step);
  if (place == StepPlace::kInside || (place == StepPlace::kAtTheEnd && reproduces(w, levels, step)))
    return step;
  return (low + high) * 0.5f;
}

double squared_error(std::span<const float, 32> w, const int8_t* levels, float scale) {
  double sum = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    const double error = static_cast<double>(w[i]) - static_cast<double>(scale) * levels[i];
    sum += error * error;
  }
  return sum;
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
  uint32_t peak = 0;  // magnitudes compare like their bits
  for (float x : w) peak = std::max(peak, bits_of(x) & 0x7fffffffu);
  if (peak >= 0x7f800000u) return false;  // an infinity or a NaN
  if (peak == 0) {
    std::fill(levels.begin(), levels.end(), int8_t{0});
    scale_f16 = 0;
    return true;
  }
  const float inverse = 1.0f / float_of(peak);
  for (int m = 1; m <= 8; ++m) {
    const float factor = static_cast<float>(m);
    const float tolerance = factor * 0x1p-7f;  // what rounding the product to bfloat16 can move
    int8_t found[32];
    bool fits = true;
    for (size_t i = 0; i < w.size() && fits; ++i) {
      const float x = w[i] * inverse * factor;
      const float level = std::min(std::nearbyint(x), 7.0f);
      fits = std::fabs(x - level) <= tolerance;
      if (fits) found[i] = static_cast<int8_t>(level);
    }
    if (!fits) continue;
    const float step = grid_step(w, found);
    if (!(step > kLeastStep && step < kStepLimit)) return false;
    std::copy(found, found + w.size(), levels.begin());
    scale_f16 = to_f16(step);
    return true;
  }
  return false;
}

uint16_t q4_0_least_error(std::span<const float, 32> w, std::span<int8_t, 32> levels) {
  const uint16_t textbook = q4_0_textbook(w, levels);
  double products = 0, squares = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    products += static_cast<double>(w[i]) * levels[i];
    squares += static_cast<double>(levels[i]) * levels[i];
  }
  const uint16_t fitted = squares > 0 ? to_f16(static_cast<float>(products / squares)) : uint16_t{0};
  const float scale = from_f16(fitted);
  if (scale == 0 || !std::isfinite(scale)) return textbook;
  int8_t rounded[32];
  for (size_t i = 0; i < w.size(); ++i) {
    const float level = std::nearbyint(w[i] / scale);
    rounded[i] = level == level ? static_cast<int8_t>(std::clamp(level, -8.0f, 7.0f)) : int8_t{0};
  }
  // A NaN or an infinity makes the sums equal or no numbers: then the textbook's stay.
  if (!(squared_error(w, rounded, scale) < squared_error(w, levels.data(), from_f16(textbook))))
    return textbook;
  std::copy(rounded, rounded + w.size(), levels.begin());
  return fitted;
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
