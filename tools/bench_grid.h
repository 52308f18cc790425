// Runs a grid: every variant (model, scheme, threads) with every shape (prompt, new tokens, depth). The cells
// of a variant take turns, round by round and back and forth, so that a machine that slows down meets all
// alike; with `abba` all variants are loaded together and take turns too.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/weight_plan.h"
#include "kernels/isa.h"
#include "kernels/kernel_table.h"
#include "loader/result.h"
#include "tools/bench_document.h"

namespace gemma {

struct BenchVariant {
  std::string model, scheme;  // scheme empty: what fits the file
  size_t threads = 0;         // 0: physical cores
};

struct BenchShape {
  size_t prompt_tokens = 0, new_tokens = 0, depth = 0;
  bool all_layers = false;  // SessionOptions::all_layers
};

struct BenchGrid {
  std::vector<BenchVariant> variants;
  std::vector<BenchShape> shapes;
  BenchSettings settings;
  size_t chunk = 256;
  std::optional<Placement> placement;
  bool limits = true;  // read the weights once after each run, to have something to compare with
  std::optional<kernels::Isa> isa;
  std::vector<std::string> kernels;  // ModelOptions::kernels
  std::optional<kernels::KvType> kv_type;
  bool cold_load = true;
  std::function<void(const std::string& status)> progress;  // may be empty
};

// Errors: those of Model::load and Session; kUsage for a shape beyond the model's context.
Result<std::vector<BenchCell>> run_grid(const BenchGrid& grid);

}  // namespace gemma
