// What `gemma-bench` can be told. Lists make the grid: every model with every scheme, thread count, prompt,
// number of new tokens and depth.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loader/result.h"
#include "tools/bench_grid.h"
#include "tools/kernel_choice.h"
#include "tools/options.h"

namespace gemma {

struct BenchFlags {
  std::vector<std::string> models, schemes, threads, prompts, new_tokens, depths;
  uint64_t warmup = BenchSettings().warmup, runs = BenchSettings().runs;
  std::optional<double> time_budget;
  uint64_t chunk = BenchGrid().chunk;
  std::optional<std::string> kv_type;
  std::optional<std::string> mmap;
  KernelFlags kernels;
  bool abba = false, cold_load = true, all_layers = false, machine = false, limits = true;
  std::string format = "table";
  std::optional<std::string> out, html;
};

Options bench_options(BenchFlags& flags);

// The flags as a grid; no progress. kUsage for lists that do not parse and grids of more than 10 000 cells;
// errors of finding the shipped model.
Result<BenchGrid> bench_grid(const BenchFlags& flags);

// "1,2,8": whole numbers of [least, most]; `option` names it in errors. kUsage.
Result<std::vector<size_t>> parse_counts(const std::vector<std::string>& lists, const std::string& option,
                                         size_t least, size_t most);

}  // namespace gemma
