// How much memory a model will take, told without its weights: from its config, the plans that the engine
// itself allocates by, and what this process holds already (program, tokenizer, tensor lists).
//
//   Result<std::unique_ptr<Model>> model = Model::load("synthetic:12b", {.weights = false});
//   (*model)->choose_scheme("int4");
//   Result<MemoryForecast> forecast = forecast_memory(**model, {.session = {.context = 32768}});
//   forecast->resident_bytes    // the peak to expect
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/memory_report.h"
#include "engine/model.h"
#include "engine/session.h"
#include "loader/result.h"

namespace gemma {

struct ForecastOptions {
  SessionOptions session = {};
  std::optional<size_t> prompt;  // tokens computed at once, as far as a chunk goes; default: a whole chunk
  std::optional<size_t> tokens;  // positions of the context in use; default: all
};

struct MemoryForecast {
  SessionOptions session;         // resolved
  size_t tokens = 0;              // positions in use
  std::vector<MemoryLine> lines;  // as a report has them
  uint64_t resident_bytes = 0;    // peak of the resident set: the sum of all lines
  uint64_t ple_file_bytes = 0;    // beside it, of the page cache: the per-layer table in its file

  uint64_t resident(MemoryPart part) const;
};

// The scheme must be chosen. kUsage for a context beyond the model's; kUnsupported where /proc does not tell.
Result<MemoryForecast> forecast_memory(const Model& model, const ForecastOptions& options);

}  // namespace gemma
