// The command line of gemma-quantize.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/options.h"

namespace gemma {

struct QuantizeFlags {
  std::string model;
  std::optional<std::string> scheme;
  std::string out;
  std::string to = "packed";
  std::optional<std::string> off_grid;
  std::optional<std::string> report;
  std::optional<std::string> calibrate;
  std::string calibrate_method = "absmax";
  double calibrate_percentile = 99.9;
  uint64_t calibrate_tokens = 4096;
  bool calibrate_outputs = false;
  uint64_t threads = 0;
  bool errors = true;
  bool json = false;
  bool quiet = false;
};

Options quantize_options(QuantizeFlags& flags);

}  // namespace gemma
