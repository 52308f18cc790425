// gemma-eval memory: where the memory of a running model is, and how much one will take that is not even
// loaded.
//
//   gemma-eval memory --model synthetic:e2b --scheme int4
//   gemma-eval memory --forecast --model synthetic:12b --scheme int4 --context 32768 --limit 8GB
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/memory_forecast.h"
#include "engine/memory_report.h"
#include "loader/result.h"
#include "tools/exit_code.h"

namespace gemma {

struct PhaseMemory {
  const char* name = "";        // "load", "prefill", "decode"
  uint64_t peak_bytes = 0;      // largest RSS during the phase
  uint64_t resident_bytes = 0;  // at its end
};

struct MemoryRun {
  MemoryReport report;  // at the end
  std::vector<PhaseMemory> phases;
  bool peaks_by_phase = false;  // else the kernel did not let the peak be reset, and each is the peak so far
};

// "8GB", "512 MiB", "6e9": bytes. Powers of ten, of two with an i. kUsage.
Result<uint64_t> parse_bytes(const std::string& text);

// Bytes by part, and by class of weights, as a table; with `layers` a line for each layer as well.
std::string memory_table(const std::vector<MemoryLine>& lines, bool layers);
// The same on one or two lines: "weights 2.1 MB, KV 0.3 MB, ...".
std::string memory_summary(const MemoryReport& report);
nlohmann::ordered_json memory_json(const MemoryReport& report);
nlohmann::ordered_json memory_lines_json(const std::vector<MemoryLine>& lines);

ExitCode eval_memory(int argc, const char* const* argv);

}  // namespace gemma
