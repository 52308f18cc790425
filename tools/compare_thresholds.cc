#include "tools/compare_thresholds.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "tools/options_value.h"

namespace gemma {
namespace {

// A number at the front of the text, and what follows it without blanks between.
Result<std::pair<double, std::string>> number_and_unit(const std::string& text, const std::string& option,
                                                       const char* expected) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string unit(end, text.data() + text.size());
  unit.erase(0, unit.find_first_not_of(' ') == unit.npos ? unit.size() : unit.find_first_not_of(' '));
  if (error != std::errc() || !std::isfinite(value) || value < 0) {
    return fail(ErrorCode::kUsage, option, fmt::format("expected {}, found {}", expected, quote(text)));
  }
  return std::pair{value, unit};
}

constexpr const char* kShare = "a share such as 2% or 0.02";
constexpr const char* kBytes = "an amount of memory such as 512MB or 8GB";

}  // namespace

void add_threshold_options(Options& options, ThresholdFlags& flags) {
  options.group("Limits (exit code 1 if a candidate misses one)");
  options.add({.name = "max-ppl-increase",
               .target = &flags.max_ppl_increase,
               .value = "SHARE",
               .help = "how much higher its perplexity may be than the base's: 2% or 0.02"});
  options.add({.name = "min-top1",
               .target = &flags.min_top1,
               .range = {.min = 0, .max = 1},
               .help = "least share of tokens where both find the same token most probable"});
  options.add({.name = "max-kld",
               .target = &flags.max_kld,
               .range = {.min = 0},
               .unit = "nats",
               .help = "most mean divergence from the base"});
  options.add({.name = "max-kld-p99",
               .target = &flags.max_kld_p99,
               .range = {.min = 0},
               .unit = "nats",
               .help = "most divergence at the 99th percentile of tokens"});
  options.add({.name = "max-kld-p999",
               .target = &flags.max_kld_p999,
               .range = {.min = 0},
               .unit = "nats",
               .help = "the same at the 99.9th percentile"});
  options.add({.name = "max-change-rms",
               .target = &flags.max_change_rms,
               .range = {.min = 0, .max = 1},
               .help = "most root mean square change of the right token's probability"});
  options.add({.name = "min-rate",
               .target = &flags.min_rate,
               .range = {.min = 0},
               .unit = "tokens/s",
               .help = "least speed over the windows"});
  options.add({.name = "min-decode-rate",
               .target = &flags.min_decode_rate,
               .range = {.min = 0},
               .unit = "tokens/s",
               .help = "least speed of writing, token by token"});
  options.add({.name = "max-rss",
               .target = &flags.max_rss,
               .value = "BYTES",
               .help = "most memory of its own weights, mapped or not, KV cache and scratch: 512MB, 8GB"});
}

Result<double> parse_share(const std::string& text, const std::string& option) {
  Result<std::pair<double, std::string>> read = number_and_unit(text, option, kShare);
  if (!read) return fail(std::move(read.error()));
  const auto& [value, unit] = *read;
  if (unit.empty()) return value;
  if (unit == "%") return value / 100;
  return fail(ErrorCode::kUsage, option, fmt::format("expected {}, found {}", kShare, quote(text)));
}

Result<uint64_t> parse_bytes(const std::string& text, const std::string& option) {
  Result<std::pair<double, std::string>> read = number_and_unit(text, option, kBytes);
  if (!read) return fail(std::move(read.error()));
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1},     {"B", 1},     {"kB", 1e3},     {"KB", 1e3},        {"MB", 1e6},
      {"GB", 1e9}, {"TB", 1e12}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
  for (const auto& [unit, factor] : kUnits) {
    const double bytes = read->first * factor;
    if (read->second == unit && bytes < 1e18) return static_cast<uint64_t>(bytes);
  }
  return fail(ErrorCode::kUsage, option, fmt::format("expected {}, found {}", kBytes, quote(text)));
}

Result<void> check_thresholds(const ThresholdFlags& flags) {
  Result<std::vector<std::string>> read = missed_thresholds(flags, {});
  if (!read) return fail(std::move(read.error()));
  return {};
}

Result<std::vector<std::string>> missed_thresholds(const ThresholdFlags& flags,
                                                   const CandidateFigures& figures) {
  std::vector<std::string> missed;
  const auto miss = [&](const std::string& what) {
    missed.push_back(fmt::format("{}: {}", figures.name, what));
  };
  const PairResult& pair = figures.pair;
  if (flags.max_ppl_increase) {
    Result<double> most = parse_share(*flags.max_ppl_increase, "--max-ppl-increase");
    if (!most) return fail(std::move(most.error()));
    // Written so that a ratio that is no number misses.
    if (!(pair.ratio - 1 <= *most)) {
      miss(fmt::format("perplexity {:+.3f} % against the base (± {:.3f} %), at most +{:g} % allowed",
                       100 * (pair.ratio - 1), 100 * pair.ratio_error, 100 * *most));
    }
  }
  const auto at_least = [&](const std::optional<double>& limit, double value, const char* what) {
    if (limit && !(value >= *limit))
      miss(fmt::format("{} {:.5g}, at least {:g} wanted", what, value, *limit));
  };
  const auto at_most = [&](const std::optional<double>& limit, double value, const char* what) {
    if (limit && !(value <= *limit))
      miss(fmt::format("{} {:.5g}, at most {:g} allowed", what, value, *limit));
  };
  at_least(flags.min_top1, pair.same_top, "same top token in a share of");
  at_most(flags.max_kld, pair.divergence, "mean divergence");
  at_most(flags.max_kld_p99, pair.divergence_percentiles[1], "divergence at the 99th percentile");
  at_most(flags.max_kld_p999, pair.divergence_percentiles[0], "divergence at the 99.9th percentile");
  at_most(flags.max_change_rms, pair.change_rms, "root mean square change of probability");
  at_least(flags.min_rate, figures.rate, "tokens/s over the windows");
  at_least(flags.min_decode_rate, figures.decode_rate, "tokens/s of writing");
  if (flags.max_rss) {
    Result<uint64_t> most = parse_bytes(*flags.max_rss, "--max-rss");
    if (!most) return fail(std::move(most.error()));
    if (figures.bytes > *most) {
      miss(fmt::format("{} of memory, at most {} allowed", format_bytes(figures.bytes), format_bytes(*most)));
    }
  }
  return missed;
}

}  // namespace gemma
