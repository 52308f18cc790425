// The float kernels between the matrices, at the widths of E2B and 31B, on values that lie in the caches as
// they do in the engine. Values per second and per cycle; of_peak counts a multiplication, an addition or
// both fused as one. Kernels with a tanh and conversions have no such count: theirs is the share of what
// reading from memory would allow (of_read; above 1 in the caches), which says whether they could keep up.
//
//   gemma-benchmarks --benchmark_filter='^(rms_norm|rope|gelu_mul|softcap|float_to_f16)/'
#include <string>
#include <vector>

#include <fmt/format.h>

#include "benchmarks/benchmark_list.h"
#include "benchmarks/machine_share.h"
#include "benchmarks/model_shapes.h"
#include "kernels/kernel_table.h"

namespace gemma::kernels {
namespace {

struct Values {
  std::vector<float> x, y, out;  // (n)
  std::vector<uint16_t> halves;  // (n): half as fp16, a little more than 0 as bf16
};

struct Kernel {
  const char* name;
  double macs;   // of a value
  double bytes;  // of a value, read and written, of those without macs
  size_t (*width)(const ModelConfig& config);
  void (*run)(const KernelTable& table, Values& values);
};

size_t hidden(const ModelConfig& c) {
  return c.hidden_size;
}
size_t mlp_width(const ModelConfig& c) {
  return c.layers.back().intermediate_size;
}
size_t head_dim(const ModelConfig& c) {
  return c.layers.front().head_dim;
}
size_t vocabulary(const ModelConfig& c) {
  return c.vocab_size;
}

constexpr Kernel kKernels[] = {
    {"rms_norm", 3, 0, hidden,
     [](const KernelTable& t, Values& v) {
       t.rms_norm(v.x.data(), v.y.data(), 1e-6f, v.x.size(), v.out.data());
     }},
    {"rope", 3, 0, head_dim,
     [](const KernelTable& t, Values& v) { t.rope(v.x.data(), v.y.data(), v.out.data(), v.x.size()); }},
    {"add", 1, 0, hidden, [](const KernelTable& t, Values& v) { t.add(v.x.data(), v.y.data(), v.x.size()); }},
    {"dot", 1, 0, hidden,
     [](const KernelTable& t, Values& v) { v.out[0] = t.dot(v.x.data(), v.y.data(), v.x.size()); }},
    {"scale", 1, 0, hidden, [](const KernelTable& t, Values& v) { t.scale(v.x.data(), v.y[0], v.x.size()); }},
    {"gelu_mul", 0, 12, mlp_width,
     [](const KernelTable& t, Values& v) { t.gelu_mul(v.x.data(), v.y.data(), v.x.size()); }},
    {"softcap", 0, 8, vocabulary,
     [](const KernelTable& t, Values& v) { t.softcap(v.x.data(), 30.0f, v.x.size()); }},
    {"float_to_f16", 0, 6, hidden,
     [](const KernelTable& t, Values& v) { t.float_to_f16(v.x.data(), v.halves.data(), v.x.size()); }},
    {"float_to_bf16", 0, 6, hidden,
     [](const KernelTable& t, Values& v) { t.float_to_bf16(v.x.data(), v.halves.data(), v.x.size()); }},
    {"f16_to_float", 0, 6, hidden,
     [](const KernelTable& t, Values& v) { t.f16_to_float(v.halves.data(), v.out.data(), v.x.size()); }},
    {"bf16_to_float", 0, 6, hidden,
     [](const KernelTable& t, Values& v) { t.bf16_to_float(v.halves.data(), v.out.data(), v.x.size()); }},
};

void run(benchmark::State& state, const Kernel& kernel, Isa isa, size_t n) {
  // Below 1 in magnitude, so that whatever is done over and over stays finite; angles of cos 1, sin 0.
  Values values = {std::vector<float>(n, 0.5f), std::vector<float>(n, 1.0f), std::vector<float>(n, 0.0f),
                   std::vector<uint16_t>(n, 0x3800)};
  for ([[maybe_unused]] auto _ : state) {
    kernel.run(kernel_table(isa), values);
    benchmark::DoNotOptimize(values.x.data());
    benchmark::DoNotOptimize(values.out.data());
    benchmark::DoNotOptimize(values.halves.data());
    benchmark::ClobberMemory();
  }
  const double count = static_cast<double>(n);
  set_rates(state, {kernel.bytes * count, kernel.macs * count, isa, PeakOperands::kFloat32, 1});
  state.SetItemsProcessed(static_cast<int64_t>(n) * state.iterations());
}

void list(const BenchmarkSettings& settings) {
  for (const Kernel& kernel : kKernels) {
    for (const Isa isa : supported_isas()) {
      for (const std::string_view size : {kModelSizes[0], kModelSizes[4]}) {
        const size_t n = kernel.width(model_config(size));
        const bool always = isa == supported_isas().front() && size == kModelSizes[0];
        add_benchmark(settings, always ? Extent::kAlways : Extent::kFull,
                      fmt::format("{}/{}/{}/n:{}", kernel.name, to_string(isa), size, n),
                      [=](benchmark::State& state) { run(state, kernel, isa, n); });
      }
    }
  }
}
const ListBenchmarks kListed(list);

}  // namespace
}  // namespace gemma::kernels
