#include "tools/bench_grid.h"

#include <fmt/format.h>

#include "tools/bench_cell.h"
#include "tools/bench_load.h"

namespace gemma {
namespace {

struct LoadedVariant {
  TimedLoad load;
  std::vector<CellRunner> cells;
};

Result<LoadedVariant> load(const BenchVariant& variant, const BenchGrid& grid) {
  ModelOptions options;
  options.scheme = variant.scheme;
  options.threads = variant.threads;
  options.placement = grid.placement;
  options.isa = grid.isa;
  options.kernels = grid.kernels;
  if (grid.progress) grid.progress("loading " + variant.model);
  Result<TimedLoad> timed = timed_load(variant.model, options, grid.cold_load);
  if (!timed) return fail(std::move(timed.error()));
  LoadedVariant loaded;
  loaded.load = std::move(*timed);
  for (const BenchShape& shape : grid.shapes) {
    Result<CellRunner> cell = CellRunner::create(*loaded.load.model, shape, grid);
    if (!cell) return fail(std::move(cell.error()));
    cell->cell().load_warm_seconds = loaded.load.warm_seconds;
    cell->cell().load_cold_seconds = loaded.load.cold_seconds;
    cell->cell().load_peak_bytes = loaded.load.peak_bytes;
    loaded.cells.push_back(std::move(*cell));
  }
  return loaded;
}

// At least two runs, so that there is a spread; then until the runs are made or the time is used up.
bool wants_more(const CellRunner& cell, const BenchSettings& settings) {
  if (cell.runs() >= settings.runs) return false;
  const double budget = settings.time_budget_seconds;
  return budget <= 0 || cell.runs() < 2 || cell.measured_seconds() < budget;
}

// Rounds over all cells, every second one in the opposite order: A B, B A, A B, ...
Result<void> run_rounds(const std::vector<CellRunner*>& cells, const BenchGrid& grid) {
  EnergyMeter energy;
  for (size_t round = 0; round < grid.settings.warmup; ++round) {
    for (CellRunner* cell : cells) {
      Result<void> ran = cell->run(false, energy);
      if (!ran) return ran;
    }
  }
  bool more = true;
  for (size_t round = 0; more; ++round) {
    more = false;
    for (size_t i = 0; i < cells.size(); ++i) {
      CellRunner& cell = *cells[round % 2 == 0 ? i : cells.size() - 1 - i];
      if (!wants_more(cell, grid.settings)) continue;
      more = true;
      Result<void> ran = cell.run(true, energy);
      if (!ran) return ran;
    }
    if (grid.progress && more) grid.progress(fmt::format("round {} of {}", round + 1, grid.settings.runs));
  }
  return {};
}

}  // namespace

Result<std::vector<BenchCell>> run_grid(const BenchGrid& grid) {
  std::vector<BenchCell> measured;
  std::vector<LoadedVariant> loaded;
  const auto run_loaded = [&]() -> Result<void> {
    std::vector<CellRunner*> cells;
    for (LoadedVariant& variant : loaded) {
      for (CellRunner& cell : variant.cells) cells.push_back(&cell);
    }
    Result<void> ran = run_rounds(cells, grid);
    if (!ran) return ran;
    for (CellRunner* cell : cells) measured.push_back(std::move(cell->cell()));
    loaded.clear();
    return {};
  };
  for (const BenchVariant& variant : grid.variants) {
    Result<LoadedVariant> one = load(variant, grid);
    if (!one) return fail(std::move(one.error()));
    loaded.push_back(std::move(*one));
    if (grid.settings.abba) continue;
    Result<void> ran = run_loaded();
    if (!ran) return fail(std::move(ran.error()));
  }
  Result<void> ran = run_loaded();
  if (!ran) return fail(std::move(ran.error()));
  return measured;
}

}  // namespace gemma
