// One cell of the grid: a session that is brought to the same state before every run, and the clock around
// each token.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/session.h"
#include "loader/result.h"
#include "tools/bench_document.h"
#include "tools/bench_energy.h"
#include "tools/bench_grid.h"

namespace gemma {

class CellRunner {
 public:
  // Makes the session and fills the cache to the shape's depth. The model must outlive this.
  static Result<CellRunner> create(const Model& model, const BenchShape& shape, const BenchGrid& grid);

  // One run from the prompt to the last new token: greedy, ends are passed over. A warm-up is not recorded.
  //   time to first token   from the call to the first token picked
  //   inter-token latency   every gap between two tokens
  //   time per output token (end to end - time to first token) / (new tokens - 1)
  //   prefill rate          prompt tokens / time to the prompt's last logits, without picking
  //   decode rate           (new tokens - 1) / (end to end - time to first token)
  Result<void> run(bool record, EnergyMeter& energy);

  double measured_seconds() const { return measured_seconds_; }
  size_t runs() const { return cell_.of(Metric::kEndToEnd).size(); }
  BenchCell& cell() { return cell_; }

 private:
  CellRunner(Session session, const BenchShape& shape) : session_(std::move(session)), shape_(shape) {}
  Result<void> go_to_start();

  Session session_;
  BenchShape shape_;
  std::vector<int32_t> prompt_;
  std::optional<Snapshot> start_;           // at the depth, if it is not 0
  std::span<const std::byte> weights_;      // read after each run, beside its decode rate,
  std::vector<std::vector<double>> reads_;  // in each way
  BenchCell cell_;
  double measured_seconds_ = 0;
  double joules_ = 0;
  size_t joules_tokens_ = 0;
};

}  // namespace gemma
