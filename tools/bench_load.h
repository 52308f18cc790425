// Loading a model with its files in the page cache, and after they were dropped from it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/model.h"
#include "loader/result.h"

namespace gemma {

struct TimedLoad {
  std::unique_ptr<Model> model;
  double warm_seconds = 0;
  std::optional<double> cold_seconds;  // absent: not asked for, no files, or the system keeps them cached
  uint64_t peak_bytes = 0;             // of the resident set while loading warm
};

// Loads cold, if `cold` and possible, lets go, and loads again for warm.
Result<TimedLoad> timed_load(const std::string& name, const ModelOptions& options, bool cold);

// Asks the system to forget a file's pages. True if fewer than one in a hundred are left in the page cache.
bool drop_from_page_cache(const std::string& path);

}  // namespace gemma
