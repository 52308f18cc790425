// The limits of gemma-eval compare: figures that a candidate must reach, so that a script can gate a release.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/evaluation/comparison.h"
#include "tools/options.h"

namespace gemma {

struct ThresholdFlags {
  std::optional<std::string> max_ppl_increase, max_rss;
  std::optional<double> min_top1, max_kld, max_kld_p99, max_kld_p999, max_change_rms, min_decode_rate,
      min_rate;
};

void add_threshold_options(Options& options, ThresholdFlags& flags);

// What one candidate reached.
struct CandidateFigures {
  std::string name;
  PairResult pair;
  double rate = 0;         // tokens per second over the windows
  double decode_rate = 0;  // 0: not measured
  uint64_t bytes = 0;      // weights, cache and scratch
};

// A line for each limit that is missed: "models/a#int4: perplexity +2.31 % over the base, at most +2 %
// allowed". kUsage if a limit cannot be read.
Result<std::vector<std::string>> missed_thresholds(const ThresholdFlags& flags,
                                                   const CandidateFigures& figures);
// The same check without figures: what the command line can have wrong.
Result<void> check_thresholds(const ThresholdFlags& flags);

// "2%" or "0.02" -> 0.02; "512MB", "8 GB", "1000000" -> bytes (powers of ten, or KiB, MiB, GiB of two).
// kUsage.
Result<double> parse_share(const std::string& text, const std::string& option);
Result<uint64_t> parse_bytes(const std::string& text, const std::string& option);

}  // namespace gemma
