// From bf16 on a trained grid to int4 panels: the vector kernels on rows in the cache, and whole matrices
// from a safetensors file in the page cache, beside reading the same file and doing nothing with it.
//
//   GB/s       bytes of bf16 that went in per second: 2 for each weight
//
// The file has the MLP matrices of eight layers of E2B (453 MB). It is written to the temporary folder and
// removed at the end.
//
//   gemma-benchmarks --benchmark_filter='^(recover_grid|q4_0_textbook|symmetric_levels|pack|read_file)'
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/counter_random.h"
#include "engine/matrix_builder.h"
#include "engine/scheme.h"
#include "kernels/kernel_table.h"
#include "kernels/pack.h"
#include "kernels/quantize.h"
#include "loader/checkpoint.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;
using kernels::Isa;
using kernels::kGroup;

constexpr size_t kHidden = 1536, kWidth = 6144, kLayers = 8;

// Random weights on a grid of 4 bits: steps of peak / 7.5, as training with fake quantization leaves them.
std::vector<uint16_t> grid_rows(uint64_t key, size_t rows, size_t cols) {
  std::vector<uint16_t> halves(rows * cols);
  const RandomStream stream{key, 0, 0.02f / kUnitDeviation};
  fill_random_bf16(stream, 0, std::as_writable_bytes(std::span(halves)));
  for (size_t group = 0; group < halves.size(); group += kGroup) {
    float peak = 0;
    for (size_t i = 0; i < kGroup; ++i)
      peak = std::max(peak, std::fabs(kernels::from_bf16(halves[group + i])));
    const float step = peak / 7.5f;
    for (size_t i = 0; i < kGroup; ++i) {
      const float level = std::nearbyint(kernels::from_bf16(halves[group + i]) / step);
      halves[group + i] = kernels::to_bf16(step * std::min(std::max(level, -8.0f), 7.0f));
    }
  }
  return halves;
}

// The folder with the file, as long as the program runs.
class GridFolder {
 public:
  GridFolder() : path_(fs::temp_directory_path() / fmt::format("gemma-pack-benchmark-{}", getpid())) {
    fs::create_directories(path_);
    std::string header = "{";
    size_t offset = 0;
    std::vector<std::pair<size_t, size_t>> shapes;
    for (size_t layer = 0; layer < kLayers; ++layer) {
      for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
        const bool down = std::string(name) == "down_proj";
        shapes.emplace_back(down ? kHidden : kWidth, down ? kWidth : kHidden);
        const size_t end = offset + shapes.back().first * shapes.back().second * 2;
        header += fmt::format(
            R"({}"model.layers.{}.mlp.{}.weight":{{"dtype":"BF16","shape":[{},{}],"data_offsets":[{},{}]}})",
            offset == 0 ? "" : ",", layer, name, shapes.back().first, shapes.back().second, offset, end);
        offset = end;
      }
    }
    header += "}";
    const uint64_t length = header.size();
    std::ofstream file(path_ / "model.safetensors", std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), sizeof(length)) << header;
    for (size_t i = 0; i < shapes.size(); ++i) {
      const std::vector<uint16_t> rows = grid_rows(i, shapes[i].first, shapes[i].second);
      file.write(reinterpret_cast<const char*>(rows.data()), static_cast<std::streamsize>(rows.size() * 2));
    }
  }
  ~GridFolder() { fs::remove_all(path_); }
  std::string path() const { return path_; }

 private:
  fs::path path_;
};

const Checkpoint& grid_checkpoint() {
  static const GridFolder folder;
  static const Result<std::unique_ptr<Checkpoint>> opened = Checkpoint::open(folder.path());
  return **opened;
}

void count_bytes(benchmark::State& state, uint64_t weights_each_time) {
  const double bytes = static_cast<double>(state.iterations()) * static_cast<double>(weights_each_time) * 2;
  state.counters["GB/s"] = benchmark::Counter(bytes / 1e9, benchmark::Counter::kIsRate);
}

std::vector<float> floats_on_grid(size_t rows) {
  const std::vector<uint16_t> halves = grid_rows(1, rows, kHidden);
  std::vector<float> w(halves.size());
  kernels::default_kernel_table().bf16_to_float(halves.data(), w.data(), w.size());
  return w;
}

void recover(benchmark::State& state, Isa isa) {
  const std::vector<float> w = floats_on_grid(kernels::kPanelRows);
  std::vector<int8_t> levels(w.size());
  std::vector<uint16_t> scales(w.size() / kGroup);
  for (auto _ : state) {
    kernels::kernel_table(isa).recover_grid(w.data(), scales.size(), levels.data(), scales.data());
    benchmark::DoNotOptimize(levels.data());
  }
  count_bytes(state, w.size());
}

void textbook(benchmark::State& state, Isa isa) {
  const std::vector<float> w = floats_on_grid(kernels::kPanelRows);
  std::vector<int8_t> levels(w.size());
  std::vector<uint16_t> scales(w.size() / kGroup);
  for (auto _ : state) {
    kernels::kernel_table(isa).q4_0_textbook(w.data(), scales.size(), levels.data(), scales.data());
    benchmark::DoNotOptimize(levels.data());
  }
  count_bytes(state, w.size());
}

// Rows for formats of one scale each.
void symmetric(benchmark::State& state, Isa isa) {
  const std::vector<float> w = floats_on_grid(kernels::kPanelRows);
  std::vector<int8_t> levels(w.size());
  const kernels::KernelTable& table = kernels::kernel_table(isa);
  for (auto _ : state) {
    for (size_t row = 0; row < w.size(); row += kHidden) {
      const float scale = table.absmax(w.data() + row, kHidden) / 127;
      table.symmetric_levels(w.data() + row, kHidden, scale, 8, levels.data() + row);
    }
    benchmark::DoNotOptimize(levels.data());
  }
  count_bytes(state, w.size());
}

void pack_panels(benchmark::State& state, kernels::WeightFormat format) {
  const std::vector<int8_t> levels(kernels::kPanelRows * kHidden, 3);
  const std::vector<uint16_t> scales(levels.size() / kGroup, 0x3c00);
  std::vector<std::byte> out(kernels::packed_bytes(format, 4, kernels::kPanelRows, kHidden));
  for (auto _ : state) {
    kernels::pack_rows(format, 4, kernels::kPanelRows, kHidden, 0, kernels::kPanelRows, levels.data(),
                       scales.data(), out.data());
    benchmark::DoNotOptimize(out.data());
  }
  count_bytes(state, levels.size());
}

// What the system can deliver: every tensor read once, a quarter of a megabyte at a time.
void read_file(benchmark::State& state) {
  const Checkpoint& checkpoint = grid_checkpoint();
  const ThreadTeam team(static_cast<size_t>(state.range(0)));
  std::vector<std::vector<std::byte>> buffers(team.size());
  uint64_t weights = 0;
  for (const TensorInfo& tensor : checkpoint.tensors()) weights += tensor.elements();
  for (auto _ : state) {
    for (const TensorInfo& tensor : checkpoint.tensors()) {
      const size_t rows = std::max<size_t>(1, (size_t{1} << 18) / tensor.row_bytes());
      team.for_each((tensor.rows() + rows - 1) / rows, [&](size_t step, size_t thread) {
        const size_t row0 = step * rows, row1 = std::min(tensor.rows(), row0 + rows);
        buffers[thread].resize((row1 - row0) * tensor.row_bytes());
        benchmark::DoNotOptimize(checkpoint.read_rows(tensor, row0, row1, buffers[thread]).has_value());
      });
    }
  }
  count_bytes(state, weights);
}

void pack_file(benchmark::State& state) {
  const Checkpoint& checkpoint = grid_checkpoint();
  const ThreadTeam team(static_cast<size_t>(state.range(0)));
  const Scheme scheme = *parse_scheme("int4");
  uint64_t weights = 0;
  for (const TensorInfo& tensor : checkpoint.tensors()) weights += tensor.elements();
  const Progress no_progress;
  for (auto _ : state) {
    MatrixBuilder builder(scheme, checkpoint, kernels::default_kernel_table(), team, weights, no_progress);
    for (const TensorInfo& tensor : checkpoint.tensors()) {
      Result<Matrix> matrix = builder.matrix(tensor, TensorClass::kMlp, 0, tensor.rows());
      if (!matrix) return state.SkipWithError(matrix.error().what.c_str());
      benchmark::DoNotOptimize(matrix->view().data);
    }
    for (const TensorReport& report : builder.take_reports()) {
      if (!report.on_grid || report.off_grid_groups > 0)
        return state.SkipWithError("a tensor is off its grid");
    }
  }
  count_bytes(state, weights);
}

const bool registered = [] {
  for (Isa isa : kernels::supported_isas()) {
    const std::string name(kernels::to_string(isa));
    benchmark::RegisterBenchmark(("recover_grid/" + name).c_str(), recover, isa);
    benchmark::RegisterBenchmark(("q4_0_textbook/" + name).c_str(), textbook, isa);
    benchmark::RegisterBenchmark(("symmetric_levels/" + name + "/with_absmax").c_str(), symmetric, isa);
  }
  benchmark::RegisterBenchmark("pack_panels/int4_group32", pack_panels, kernels::WeightFormat::kInt4Group32);
  benchmark::RegisterBenchmark("pack_panels/int8_channel", pack_panels, kernels::WeightFormat::kInt8Channel);
  for (auto* whole : {benchmark::RegisterBenchmark("read_file/threads", read_file),
                      benchmark::RegisterBenchmark("pack_file/threads", pack_file)}) {
    whole->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
  }
  return true;
}();

}  // namespace
}  // namespace gemma
