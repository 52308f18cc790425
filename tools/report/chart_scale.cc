#include "tools/report/chart_scale.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace gemma {
namespace {

// Beyond these a chart says nothing more: larger magnitudes are drawn as kLargest, smaller ones as 0. Powers
// of ten a little beyond either are still finite.
constexpr double kLargest = 1e280, kSmallest = 1e-280;
constexpr double kDecadeOrSo = 8;       // from this ratio of largest to smallest on, a logarithm shows more
constexpr double kOutlier = 12;         // the same for the largest to the middle magnitude, about 0
constexpr double kFinest = 1e-9;        // of the largest magnitude: finer differences are not shown
constexpr double kRoom = 0.04;          // of an axis beyond the outermost values
constexpr double kDecadesInFull = 2.2;  // with 1, 2, 5 of each written; beyond that powers of ten only

std::vector<double> usable(std::span<const double> values) {
  std::vector<double> out;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    out.push_back(std::fabs(value) < kSmallest ? 0 : std::clamp(value, -kLargest, kLargest));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// The largest of 1, 2, 5 times a power of ten that is not above.
double round_step(double step) {
  const double power = std::pow(10.0, std::floor(std::log10(step)));
  const double leading = step / power;
  return power * (leading >= 5 ? 5 : leading >= 2 ? 2 : 1);
}

double warp(const Scale& scale, double value) {
  switch (scale.kind) {
    case ScaleKind::kLinear:
      return value;
    case ScaleKind::kLog:
      return std::log10(std::max(value, kSmallest));
    case ScaleKind::kSymmetricLog:
      return std::asinh(value / scale.linear_below);
  }
  return value;
}

std::vector<double> linear_ticks(double low, double high, size_t about) {
  double step = round_step((high - low) / static_cast<double>(about));
  if ((high - low) / step > 1.6 * static_cast<double>(about)) step *= 2;
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-9);
  for (double i = first; i * step <= high + 1e-9 * step && ticks.size() < 2 * about + 2; ++i) {
    ticks.push_back(i == 0 ? 0 : i * step);
    if (i + 1 == i) break;  // an axis too far from 0 for its length
  }
  return ticks;
}

std::vector<double> log_ticks(double low, double high, size_t about) {
  const double decades = std::log10(high) - std::log10(low);
  const double first = std::floor(std::log10(low)), last = std::ceil(std::log10(high));
  const double stride = std::max(1.0, std::ceil(decades / static_cast<double>(about)));
  std::vector<double> ticks;
  for (double power = first; power <= last; ++power) {
    for (const double leading : {1.0, 2.0, 5.0}) {
      if (leading != 1 && decades > kDecadesInFull) continue;
      if (leading == 1 && std::fmod(power, stride) != 0) continue;
      const double value = leading * std::pow(10.0, power);
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) ticks.push_back(value);
    }
  }
  return ticks;
}

std::vector<double> symmetric_ticks(const Scale& scale, size_t about) {
  std::vector<double> ticks;
  const double most = std::max(std::fabs(scale.low), std::fabs(scale.high));
  const double first = std::ceil(std::log10(scale.linear_below) - 1e-9);
  const double decades = std::max(1.0, std::log10(most) - first);
  const double stride = std::max(1.0, std::ceil(decades / static_cast<double>(about)));
  for (const double sign : {-1.0, 1.0}) {
    for (double power = first; std::pow(10.0, power) <= most; power += stride) {
      ticks.push_back(sign * std::pow(10.0, power));
    }
  }
  ticks.push_back(0);
  std::erase_if(ticks, [&](double tick) { return tick < scale.low || tick > scale.high; });
  std::sort(ticks.begin(), ticks.end());
  return ticks;
}

Scale log_scale(double low, double high) {
  const double room = kRoom * (std::log10(high) - std::log10(low));
  return {ScaleKind::kLog, std::pow(10.0, std::log10(low) - room), std::pow(10.0, std::log10(high) + room)};
}

Scale linear_scale(double low, double high, bool zero) {
  if (zero) {
    low = std::min(low, 0.0);
    high = std::max(high, 0.0);
  }
  double width = high - low;
  if (!(width > 1e-12 * std::max(std::fabs(low), std::fabs(high)))) {  // all alike
    width = low == 0 && high == 0 ? 1 : 0.2 * std::max(std::fabs(low), std::fabs(high));
    if (!zero) low -= width / 2;
    high += zero ? width : width / 2;
  }
  const double room = kRoom * width;
  return {ScaleKind::kLinear, zero && low == 0 ? 0 : low - room, zero && high == 0 ? 0 : high + room};
}

}  // namespace

double Scale::at(double value) const {
  const double first = warp(*this, low), last = warp(*this, high);
  const double share = (warp(*this, std::clamp(value, low, high)) - first) / (last - first);
  return from + (to - from) * share;
}

std::vector<double> Scale::ticks(size_t about) const {
  std::vector<double> out;
  if (kind == ScaleKind::kLog) out = log_ticks(low, high, about);
  if (kind == ScaleKind::kSymmetricLog) out = symmetric_ticks(*this, about);
  return out.size() >= 2 ? out : linear_ticks(low, high, about);
}

Scale choose_scale(std::span<const double> values, const ScaleWishes& wishes, double from, double to) {
  const std::vector<double> sorted = usable(values);
  Scale scale;
  if (!sorted.empty()) {
    const double low = sorted.front(), high = sorted.back();
    std::vector<double> magnitudes;
    for (const double value : sorted) {
      if (value != 0) magnitudes.push_back(std::fabs(value));
    }
    std::sort(magnitudes.begin(), magnitudes.end());
    if (wishes.log && low >= kSmallest && high / low >= kDecadeOrSo) {
      scale = log_scale(low, high);
    } else if (wishes.symmetric_log && magnitudes.size() > 2 &&
               magnitudes.back() > kOutlier * magnitudes[magnitudes.size() / 2]) {
      scale.kind = ScaleKind::kSymmetricLog;
      scale.linear_below =
          round_step(std::max(magnitudes[magnitudes.size() / 2], kFinest * magnitudes.back()));
      scale.low = std::min(low, 0.0) * 1.2;
      scale.high = std::max(high, 0.0) * 1.2;
    } else {
      scale = linear_scale(low, high, wishes.zero || wishes.symmetric_log);
    }
  }
  scale.from = from;
  scale.to = to;
  return scale;
}

std::string tick_text(double value) {
  if (value != 0 && std::fabs(value) < 1e7 && std::fabs(value) >= 1e-4) {
    return value == std::round(value) ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
  }
  return fmt::format("{:g}", value);
}

std::string number_text(double value, int digits) {
  if (std::isnan(value)) return "not available";
  if (std::isinf(value)) return value > 0 ? "infinite" : "minus infinite";
  const double magnitude = std::fabs(value);
  if (magnitude != 0 && (magnitude >= 1e9 || magnitude < 1e-6))
    return fmt::format("{:.{}e}", value, digits - 1);
  const int whole = magnitude < 1 ? 0 : static_cast<int>(std::floor(std::log10(magnitude))) + 1;
  const int zeros =
      magnitude == 0 || magnitude >= 1 ? 0 : -static_cast<int>(std::floor(std::log10(magnitude))) - 1;
  return fmt::format("{:.{}f}", value, std::clamp(digits - whole + zeros, 0, 9));
}

}  // namespace gemma
