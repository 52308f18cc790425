// Reductions over a row of logits as long as the vocabulary: float64 sums, on no table of kernels. of_read is
// the share of what reading the row from memory would allow (above 1: the row is in the caches, where the
// head leaves it).
//
//   gemma-benchmarks --benchmark_filter='^logits/'
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "benchmarks/benchmark_list.h"
#include "benchmarks/machine_share.h"
#include "benchmarks/model_shapes.h"
#include "kernels/reductions.h"

namespace gemma::kernels {
namespace {

constexpr size_t kTop = 64;  // of top-k

struct Logits {
  std::vector<float> values, others, out;  // (vocabulary)
  std::vector<float> peaks, scratch;
  std::vector<double> weights;
  double log_z = 0;
  double result = 0;
};

Logits make_logits() {
  const size_t n = model_config(kModelSizes[0]).vocab_size;
  Logits logits;
  logits.values.resize(n);
  for (size_t i = 0; i < n; ++i) {
    logits.values[i] = static_cast<float>(static_cast<uint32_t>(i * 2654435761u) % 6007u) * 1e-2f - 30;
  }
  logits.others = logits.values;
  logits.out.resize(n);
  logits.weights.resize(n);
  logits.peaks.resize(peak_count(n));
  logits.scratch.resize(kth_largest_scratch(n, kTop));
  find_peaks(logits.values, logits.peaks);
  logits.log_z = log_sum_exp(logits.values);
  return logits;
}

struct Reduction {
  const char* name;
  size_t bytes;  // of a value, read and written
  void (*run)(Logits& logits);
};

constexpr Reduction kReductions[] = {
    {"maximum", 4, [](Logits& l) { l.result = maximum(l.values); }},
    {"find_peaks", 4, [](Logits& l) { find_peaks(l.values, l.peaks); }},
    {"argmax", 4, [](Logits& l) { l.result = static_cast<double>(argmax(l.values)); }},
    {"argmax_of_peaks", 0, [](Logits& l) { l.result = static_cast<double>(argmax(l.values, l.peaks)); }},
    {"kth_largest", 4, [](Logits& l) { l.result = kth_largest(l.values, kTop, l.scratch); }},
    {"log_sum_exp", 4, [](Logits& l) { l.result = log_sum_exp(l.values); }},
    {"kl_divergence", 8, [](Logits& l) { l.result = kl_divergence(l.values, l.log_z, l.others, l.log_z); }},
    {"log_softmax", 8, [](Logits& l) { log_softmax(l.values, l.out); }},
    {"softmax_weights", 12, [](Logits& l) { l.result = softmax_weights(l.values, 30, 1, l.weights); }},
};

void run(benchmark::State& state, const Reduction& reduction) {
  Logits logits = make_logits();
  for ([[maybe_unused]] auto _ : state) {
    reduction.run(logits);
    benchmark::DoNotOptimize(logits.result);
    benchmark::DoNotOptimize(logits.out.data());
    benchmark::ClobberMemory();
  }
  Work work;
  work.bytes = static_cast<double>(reduction.bytes * logits.values.size());
  set_rates(state, work);
  state.SetItemsProcessed(static_cast<int64_t>(logits.values.size()) * state.iterations());
}

void list(const BenchmarkSettings& settings) {
  for (const Reduction& reduction : kReductions) {
    add_benchmark(settings, Extent::kAlways, std::string("logits/") + reduction.name,
                  [&reduction](benchmark::State& state) { run(state, reduction); });
  }
}
const ListBenchmarks kListed(list);

}  // namespace
}  // namespace gemma::kernels
