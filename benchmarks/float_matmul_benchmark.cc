// The float matmuls (f32, bf16, f16 weights by f32 activations) at the shapes of all five sizes, with their
// shares of the machine's limits (machine_share.h). A plain run has E2B's MLP on the best instruction set in
// bf16 and f32; --full everything.
//
//   gemma-benchmarks --benchmark_filter='^matmul_float/avx2/bf16/31b'
#include <algorithm>

#include <fmt/format.h>

#include "benchmarks/benchmark_list.h"
#include "benchmarks/machine_share.h"
#include "benchmarks/model_shapes.h"
#include "benchmarks/weight_arena.h"
#include "engine/buffer.h"
#include "kernels/kernel_table.h"

namespace gemma::kernels {
namespace {

constexpr size_t kCallBytes = size_t{64} << 20;  // of a larger matrix the first rows are computed

struct Format {
  const char* name;
  WeightFormat format;
  size_t bytes;
};
constexpr Format kFormats[] = {
    {"bf16", WeightFormat::kBf16, 2}, {"f32", WeightFormat::kF32, 4}, {"f16", WeightFormat::kF16, 2}};

void matmul(benchmark::State& state, const Format& format, Isa isa, const ModelShape& shape, size_t tokens) {
  const size_t row_bytes = shape.cols * format.bytes;
  const size_t rows = std::min(shape.rows, std::max<size_t>(kCallBytes / row_bytes, 1));
  const size_t copies = kArenaBytes / (rows * row_bytes);
  const std::byte* data = weight_arena();
  if (data == nullptr || copies == 0) return state.SkipWithError("the weights have no room");
  // On huge pages where there are any, as the engine's.
  Result<Buffer> x = Buffer::allocate(tokens * shape.cols * sizeof(float), "activations");
  Result<Buffer> out = Buffer::allocate(tokens * rows * sizeof(float), "outputs");
  if (!x || !out) return state.SkipWithError("activations have no room");
  std::fill_n(x->as<float>(), tokens * shape.cols, 0.5f);
  const Activations acts = {.tokens = tokens, .cols = shape.cols, .x = x->as<float>()};
  size_t copy = 0;
  for ([[maybe_unused]] auto _ : state) {
    const MatrixView w = {.format = format.format,
                          .bits = static_cast<uint8_t>(8 * format.bytes),
                          .rows = rows,
                          .cols = shape.cols,
                          .data = data + copy * rows * row_bytes};
    kernel_table(isa).matmul_float(w, acts, 0, rows, out->as<float>(), rows);
    benchmark::DoNotOptimize(out->data());
    benchmark::ClobberMemory();
    copy = (copy + 1) % copies;
  }
  set_rates(state, {static_cast<double>(rows * row_bytes), static_cast<double>(rows * shape.cols * tokens),
                    isa, PeakOperands::kFloat32, 1});
}

void list(const BenchmarkSettings& settings) {
  for (const Format& format : kFormats) {
    for (const Isa isa : supported_isas()) {
      for (const ModelShape& shape : model_shapes()) {
        for (const size_t tokens : {1, 4, 8, 32, 256}) {
          if (isa == Isa::kPortable && tokens > 1) continue;  // one value at a time
          const bool mlp = shape.size == kModelSizes[0] && shape.tensor_class == TensorClass::kMlp;
          const bool always = isa == supported_isas().front() && mlp && format.format != WeightFormat::kF16 &&
                              (tokens == 1 || tokens == 256);
          add_benchmark(
              settings, always ? Extent::kAlways : Extent::kFull,
              fmt::format("matmul_float/{}/{}/{}/tokens:{}", to_string(isa), format.name, shape.name, tokens),
              [=](benchmark::State& state) { matmul(state, format, isa, shape, tokens); });
        }
      }
    }
  }
}
const ListBenchmarks kListed(list);

}  // namespace
}  // namespace gemma::kernels
