// What the figures say in words, and what takes away from them.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "loader/format_bytes.h"
#include "tools/report/chart_scale.h"
#include "tools/report/report_sections.h"

namespace gemma {
namespace {

constexpr double kSure = 1.96;

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i)
    out += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return out;
}

std::string times(double ratio) {
  return ratio >= 1 ? fmt::format("{} times the base’s", number_text(ratio, 2))
                    : fmt::format("{:.0f} % of the base’s", 100 * ratio);
}

void compare(const ComparisonData& comparison, const VariantLabels& labels, std::vector<std::string>& out) {
  const ComparedVariant& base = comparison.variants.front();
  std::vector<std::string> alike, worse;
  const ComparedVariant* smallest = nullptr;
  const ComparedVariant* fastest = nullptr;
  for (size_t i = 1; i < comparison.variants.size(); ++i) {
    const ComparedVariant& variant = comparison.variants[i];
    const double loss = variant.ratio.value - 1;
    if (std::isfinite(loss)) {
      const bool shown = loss > kSure * variant.ratio.error;
      const std::string label = labels.of(variant.name);
      if (shown) {
        worse.push_back(label + " " + percent_with_error(loss, kSure * variant.ratio.error));
      } else {
        alike.push_back(label);
      }
    }
    if (variant.weight_bytes > 0 && (smallest == nullptr || variant.weight_bytes < smallest->weight_bytes)) {
      smallest = &variant;
    }
    if (variant.decode_rate > 0 && (fastest == nullptr || variant.decode_rate > fastest->decode_rate)) {
      fastest = &variant;
    }
  }
  if (!alike.empty()) {
    out.push_back(
        fmt::format("On {} tokens no loss can be shown for {}.", comparison.cut.tokens, joined(alike)));
  }
  if (!worse.empty()) {
    out.push_back(
        fmt::format("Perplexity over {}: {} (95 % intervals).", labels.of(base.name), joined(worse)));
  }
  if (smallest != nullptr && smallest->weight_bytes < base.weight_bytes) {
    out.push_back(fmt::format(
        "Smallest is {}: {} of weights, {}.", labels.of(smallest->name), format_bytes(smallest->weight_bytes),
        times(static_cast<double>(smallest->weight_bytes) / static_cast<double>(base.weight_bytes))));
  }
  if (fastest != nullptr && fastest->decode_rate > base.decode_rate) {
    out.push_back(fmt::format("Fastest at writing is {}: {} tokens/s, {}.", labels.of(fastest->name),
                              number_text(fastest->decode_rate, 3),
                              times(fastest->decode_rate / base.decode_rate)));
  }
}

// What the trial of a class or layer tells of it; 0 of those that are about more.
double cost_alone(const SensitivityData& one, const SensitivityData::Row& row) {
  const bool alone = one.by_layer ? row.layer.has_value() : row.name != "all";
  return alone ? row.divergence.value : 0;
}

}  // namespace

std::string signed_percent(double share) {
  if (!std::isfinite(share)) return number_text(share);
  const std::string text = number_text(100 * std::fabs(share), std::fabs(share) < 0.1 ? 3 : 4);
  return fmt::format("{}{} %", share < 0 ? "−" : "+", text);
}

std::string percent_with_error(double share, double error) {
  if (!std::isfinite(share) || !std::isfinite(error)) return signed_percent(share);
  const std::string percent = signed_percent(share);
  return fmt::format("{} ± {} %", percent.substr(0, percent.find(' ')), number_text(100 * error, 2));
}

std::string with_error(double value, double error, int digits) {
  if (!std::isfinite(value)) return number_text(value);
  if (!std::isfinite(error)) return fmt::format("{:.{}f}", value, digits);
  return fmt::format("{:.{}f} ± {:.{}f}", value, digits, error, digits);
}

std::vector<std::string> report_findings(const ReportData& data, const VariantLabels& labels) {
  std::vector<std::string> out;
  for (const ComparisonData& one : data.comparisons) {
    if (one.variants.size() > 1) compare(one, labels, out);
  }
  for (const SensitivityData& one : data.sensitivities) {
    const auto costliest = std::max_element(
        one.classes.begin(), one.classes.end(),
        [&](const auto& a, const auto& b) { return cost_alone(one, a) < cost_alone(one, b); });
    if (costliest == one.classes.end() || !(cost_alone(one, *costliest) > 0)) continue;
    if (one.by_layer) {
      out.push_back(fmt::format("Of the layers of {} layer {} costs most: {} nats of the {} of all at once.",
                                labels.of({one.model, one.scheme}), *costliest->layer,
                                number_text(costliest->divergence.value, 2),
                                number_text(one.classes.back().divergence.value, 2)));
      continue;
    }
    out.push_back(fmt::format(
        "Of the classes of tensors, {} costs most: {} nats with {:.2f} million weights.", costliest->name,
        number_text(costliest->divergence.value, 2), static_cast<double>(costliest->weights) * 1e-6));
  }
  for (const AccuracyData& one : data.accuracies) {
    for (const AccuracyData::Test& test : one.tests) {
      if (one.variants.size() != 2 || (test.name != "acc" && test.name != "f1")) continue;
      out.push_back(
          fmt::format("On {} questions {} differs from {} by {:+.1f} points (95 %: {:+.1f} to {:+.1f}).",
                      one.questions, labels.of(one.variants[1].name), labels.of(one.variants[0].name),
                      100 * test.difference, 100 * test.low, 100 * test.high));
    }
  }
  return out;
}

std::vector<std::string> report_warnings(const ReportData& data, const VariantLabels& labels) {
  std::vector<std::string> out;
  for (const ComparisonData& one : data.comparisons) {
    for (const std::string& line : one.missed) out.push_back("Limit missed: " + line + ".");
  }
  for (const AccuracyData& one : data.accuracies) {
    for (const AccuracyData::Limit& limit : one.limits) {
      if (!limit.met) {
        out.push_back(fmt::format("Limit missed: {} {}, found {}.", limit.option, number_text(limit.limit),
                                  number_text(limit.value)));
      }
    }
  }
  for (const MemoryData& one : data.memories) {
    const uint64_t away =
        static_cast<uint64_t>(one.unaccounted < 0 ? -(one.unaccounted + 1) : one.unaccounted);
    if (!one.forecast && away > one.unaccounted_limit) {
      out.push_back(fmt::format("Of {} {} of memory are unaccounted for, more than the limit of {}.",
                                labels.of(one.name), format_bytes(away),
                                format_bytes(one.unaccounted_limit)));
    }
    if (one.limit && one.peak > *one.limit) {
      out.push_back(fmt::format("{} does not fit: {} needed, {} allowed.", labels.of(one.name),
                                format_bytes(one.peak), format_bytes(*one.limit)));
    }
  }
  for (const ComparisonData& one : data.comparisons) {
    if (one.cut.token_hash != data.comparisons.front().cut.token_hash) {
      out.emplace_back(
          "The comparisons read different texts or windows: do not compare figures across them.");
      break;
    }
  }
  for (const PerplexityData& one : data.perplexities) {
    const PerplexityData& first = data.perplexities.front();
    if (one.cut.token_hash != first.cut.token_hash || one.cut.definition != first.cut.definition) {
      out.emplace_back(
          "The perplexities are of different texts, windows or definitions: only rows that are alike in "
          "these can be compared.");
      break;
    }
  }
  const Machine* first = nullptr;
  for (const ReportSource& source : data.sources) {
    if (!source.machine) continue;
    if (first == nullptr) first = &*source.machine;
    if (first->cpu != source.machine->cpu || first->flags != source.machine->flags) {
      out.emplace_back(
          "The documents come from different machines or builds: times and rates of one are not those of "
          "another.");
      break;
    }
  }
  for (const BenchData& bench : data.benches) {
    if (bench.document.settings.warmup == 0) out.emplace_back("Latency was measured without warm-up runs.");
  }
  return out;
}

}  // namespace gemma
