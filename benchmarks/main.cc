// gemma-benchmarks [--full] [--model MODEL] [Google Benchmark's own options]
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "benchmarks/benchmark_list.h"
#include "benchmarks/machine_share.h"
#include "tools/runtime_settings.h"

namespace gemma {
namespace {

std::vector<BenchmarkList>& lists() {
  static std::vector<BenchmarkList> all;
  return all;
}

}  // namespace

ListBenchmarks::ListBenchmarks(BenchmarkList list) {
  lists().push_back(list);
}

void add_benchmark(const BenchmarkSettings& settings, Extent extent, const std::string& name,
                   const std::function<void(benchmark::State&)>& run, bool wall) {
  if (extent == Extent::kFull && !settings.full) return;
  auto* added = benchmark::RegisterBenchmark(name.c_str(), [run](benchmark::State& state) { run(state); });
  added->Unit(benchmark::kMicrosecond);
  if (wall) added->UseRealTime();
}

}  // namespace gemma

int main(int argc, char** argv) {
  gemma::set_up_runtime(argv);
  gemma::BenchmarkSettings settings;
  std::vector<char*> rest = {argv[0]};
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    constexpr std::string_view kModel = "--model=";
    if (word == "--full") {
      settings.full = true;
    } else if (word == "--model" && i + 1 < argc) {
      settings.model = argv[++i];
    } else if (word.starts_with(kModel)) {
      settings.model = word.substr(kModel.size());
    } else {
      if (word.starts_with("--benchmark_filter")) settings.full = true;
      rest.push_back(argv[i]);
    }
  }
  int count = static_cast<int>(rest.size());
  benchmark::Initialize(&count, rest.data());
  if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 2;
  gemma::list_limits(settings);
  for (const gemma::BenchmarkList list : gemma::lists()) list(settings);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
