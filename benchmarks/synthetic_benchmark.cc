// Synthetic checkpoints: values per second that one core makes (what bounds the loading of synthetic:26b-a4b,
// 25 G values), and the time to build the tokenizer.
#include <benchmark/benchmark.h>

#include "engine/synthetic.h"
#include "engine/synthetic_tokenizer.h"

namespace {

using namespace gemma;

// Rows of a real matrix into a buffer that stays in the cache.
void synthetic_rows(benchmark::State& state) {
  const Result<ModelConfig> config = synthetic_config("26b-a4b");
  if (!config) return state.SkipWithError(config.error().message().c_str());
  const SyntheticSource source(*config, 0);
  const TensorInfo* tensor = source.find("layers.0.experts.down_proj");
  const size_t rows = 16;
  std::vector<std::byte> out(rows * tensor->row_bytes());
  size_t row = 0;
  for (auto _ : state) {
    if (!source.read_rows(*tensor, row, row + rows, out))
      return state.SkipWithError("the rows cannot be read");
    benchmark::DoNotOptimize(out.data());
    row = (row + rows) % (tensor->rows() - rows);
  }
  const double values = static_cast<double>(state.iterations()) * static_cast<double>(out.size() / 2);
  state.counters["values/s"] = benchmark::Counter(values, benchmark::Counter::kIsRate);
}
BENCHMARK(synthetic_rows);

void synthetic_tokenizer_build(benchmark::State& state) {
  for (auto _ : state) {
    Result<Tokenizer> tokenizer = synthetic_tokenizer(262144);
    if (!tokenizer) return state.SkipWithError(tokenizer.error().message().c_str());
    benchmark::DoNotOptimize(&*tokenizer);
  }
}
BENCHMARK(synthetic_tokenizer_build)->Unit(benchmark::kMillisecond);

}  // namespace
