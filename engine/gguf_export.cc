#include "engine/gguf_export.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "engine/gguf_keys.h"
#include "engine/stored_tensor.h"
#include "engine/tensor_plan.h"
#include "kernels/quantize.h"
#include "kernels/stored_blocks.h"
#include "loader/gguf_names.h"
#include "loader/gguf_writer.h"

namespace gemma {
namespace {

constexpr size_t kBlock = 32;

GgufTensorType type_of(const PlannedTensor& tensor, GgufTensorType wanted) {
  if (tensor.tensor_class == TensorClass::kFloat) return GgufTensorType::kF32;
  if (tensor.tensor_class == TensorClass::kPleModel) return GgufTensorType::kF16;
  return tensor.shape.back() % gguf_block_columns(wanted) == 0 ? wanted : GgufTensorType::kF16;
}

// Levels that the file format can hold as they are: 4 bits, 32 columns to a scale.
bool passes_through(const StoredTensor& stored, GgufTensorType type) {
  return stored.in_levels() && stored.group() == kBlock &&
         (type == GgufTensorType::kQ4_0 ? stored.bits() == 4 : stored.bits() <= 8);
}

// Rows of one tensor on their way into the file.
class RowEncoder {
 public:
  RowEncoder(const StoredTensor& stored, GgufTensorType type, bool on_grid)
      : stored_(stored),
        type_(type),
        columns_(stored.info().columns()),
        keeps_(passes_through(stored, type)),
        on_grid_(on_grid),
        grid_(WeightQuantizer::q4_0(on_grid)) {}

  size_t row_bytes() const { return columns_ / gguf_block_columns(type_) * gguf_block_bytes(type_); }

  // Scratch and what one thread found.
  struct State {
    StoredTensor::Scratch scratch;
    std::vector<float> values, scales, written;
    std::vector<int8_t> levels;
    std::vector<uint16_t> halves;
    uint64_t off_grid_groups = 0;
  };
  struct Difference {
    double squared_error = 0, squared_norm = 0;
  };

  Result<void> encode(size_t row, State& state, std::byte* out, Difference& difference) const {
    state.values.resize(columns_);
    if (auto read = stored_.floats(row, 1, state.scratch, state.values.data()); !read) return read;
    state.written = state.values;
    if (type_ == GgufTensorType::kF32) {
      std::memcpy(out, state.values.data(), row_bytes());
    } else if (type_ == GgufTensorType::kF16) {
      for (size_t c = 0; c < columns_; ++c) {
        const uint16_t half = kernels::to_f16(state.values[c]);
        std::memcpy(out + 2 * c, &half, sizeof(half));
        state.written[c] = kernels::from_f16(half);
      }
    } else {
      if (auto done = encode_levels(row, state, out); !done) return done;
    }
    for (size_t c = 0; c < columns_; ++c) {
      const double error = double{state.written[c]} - double{state.values[c]};
      difference.squared_error += error * error;
      difference.squared_norm += double{state.values[c]} * double{state.values[c]};
    }
    return {};
  }

 private:
  Result<void> encode_levels(size_t row, State& state, std::byte* out) const {
    const size_t groups = columns_ / kBlock;
    state.levels.resize(columns_);
    state.scales.resize(groups);
    state.halves.resize(groups);
    if (keeps_) {
      if (auto read = stored_.levels(row, 1, state.scratch, state.levels.data(), state.scales.data());
          !read) {
        return read;
      }
    } else if (type_ == GgufTensorType::kQ4_0 || on_grid_) {
      state.off_grid_groups +=
          grid_.quantize(stored_.kernels(), state.values, state.levels.data(), state.scales.data());
    } else {
      for (size_t g = 0; g < groups; ++g) round_to_8_bits(g, state);
    }
    std::transform(state.scales.begin(), state.scales.end(), state.halves.begin(), kernels::to_f16);
    for (size_t c = 0; c < columns_; ++c) {
      state.written[c] = kernels::from_f16(state.halves[c / kBlock]) * static_cast<float>(state.levels[c]);
    }
    type_ == GgufTensorType::kQ4_0
        ? kernels::encode_q4_0(state.levels.data(), state.halves.data(), columns_, out)
        : kernels::encode_q8_0(state.levels.data(), state.halves.data(), columns_, out);
    return {};
  }

  // The scale is rounded first, and the levels are those that fit the rounded one best.
  static void round_to_8_bits(size_t group, State& state) {
    const std::span<const float> values(state.values.data() + group * kBlock, kBlock);
    float absmax = 0;
    for (const float value : values) absmax = std::max(absmax, std::fabs(value));
    const float scale = kernels::from_f16(kernels::to_f16(kernels::symmetric_scale(absmax, 8)));
    state.scales[group] = scale;
    for (size_t i = 0; i < kBlock; ++i) {
      const float level = scale > 0 ? std::clamp(std::nearbyint(values[i] / scale), -127.0f, 127.0f) : 0.0f;
      state.levels[group * kBlock + i] = static_cast<int8_t>(level);
    }
  }

  const StoredTensor& stored_;
  GgufTensorType type_;
  size_t columns_;
  bool keeps_;
  bool on_grid_;
  WeightQuantizer grid_;
};

class Exporter {
 public:
  Exporter(const GgufContent& content, GgufTensorType type, const std::string& path,
           const kernels::KernelTable& kernels, const ThreadTeam& team, const Progress& progress)
      : content_(content),
        type_(type),
        path_(path),
        kernels_(kernels),
        team_(team),
        progress_(progress),
        writer_(path) {}

  Result<std::vector<GgufExportedTensor>> run() {
    if (content_.tokenizer == nullptr) {
      return fail(ErrorCode::kUsage, "GGUF export", "the model has no tokenizer, and a GGUF file needs one",
                  "put its tokenizer.json into the folder");
    }
    if (auto keys = add_gguf_keys(content_, type_, writer_); !keys) return fail(keys.error());
    announce();
    if (auto room = check_room(); !room) return fail(room.error());
    if (auto begun = writer_.begin(); !begun) return fail(begun.error());
    const std::vector<float> rope_freqs = gguf_rope_freqs(*content_.config);
    if (auto done = writer_.write(std::as_bytes(std::span(rope_freqs))); !done) return fail(done.error());
    for (size_t i = 0; i < infos_.size(); ++i) {
      if (auto done = write_tensor(*infos_[i], exported_[i]); !done) return fail(done.error());
    }
    if (auto done = writer_.finish(); !done) return fail(done.error());
    return std::move(exported_);
  }

 private:
  void announce() {
    const std::vector<float> rope_freqs = gguf_rope_freqs(*content_.config);
    if (!rope_freqs.empty()) writer_.add_tensor(kGgufRopeFreqs, GgufTensorType::kF32, {rope_freqs.size()});
    for (const PlannedTensor& planned : plan_tensors(*content_.config)) {
      const TensorInfo* info = content_.source->find(planned.name);
      if (!planned.required || info == nullptr) continue;
      GgufExportedTensor tensor;
      tensor.name = planned.name;
      tensor.type = type_of(planned, type_);
      tensor.elements = info->elements();
      tensor.bytes = tensor.elements / gguf_block_columns(tensor.type) * gguf_block_bytes(tensor.type);
      total_ += tensor.elements;
      writer_.add_tensor(gguf_of_canonical(planned.name), tensor.type, planned.shape);
      exported_.push_back(std::move(tensor));
      infos_.push_back(info);
    }
  }

  Result<void> check_room() const {
    std::error_code error;
    std::filesystem::path folder = std::filesystem::path(path_).parent_path();
    if (folder.empty()) folder = ".";
    const std::filesystem::space_info space = std::filesystem::space(folder, error);
    if (error || space.available >= writer_.file_bytes()) return {};
    return fail(ErrorCode::kResource, path_,
                fmt::format("needs {} bytes, the disk has {} left", writer_.file_bytes(), space.available),
                "free some space, or write to another disk");
  }

  // A few megabytes of rows at a time: encoded by all threads, written in order.
  Result<void> write_tensor(const TensorInfo& info, GgufExportedTensor& told) {
    Result<StoredTensor> stored = StoredTensor::open(*content_.source, info, kernels_);
    if (!stored) return fail(stored.error());
    const bool quantized = gguf_block_columns(told.type) > 1;
    if (quantized && !passes_through(*stored, told.type)) {
      Result<bool> grid = on_grid(*stored);
      if (!grid) return fail(grid.error());
      told.on_grid = *grid;
    }
    if (quantized) told.groups = told.elements / kBlock;
    const RowEncoder encoder(*stored, told.type, told.on_grid);
    const size_t rows = info.rows();
    constexpr size_t kElementsPerStep = size_t{1} << 21;
    const size_t step = std::max<size_t>(1, kElementsPerStep / std::max<size_t>(info.columns(), 1));
    std::vector<RowEncoder::State> states(team_.size());
    std::vector<Result<void>> outcomes(team_.size());
    std::vector<std::byte> bytes;
    std::vector<RowEncoder::Difference> differences;  // by row: sums must not depend on the threads
    for (size_t first = 0; first < rows; first += step) {
      const size_t n = std::min(step, rows - first);
      bytes.resize(n * encoder.row_bytes());
      differences.assign(n, {});
      team_.parallel_for(n, 16, [&](size_t begin, size_t end, size_t thread) {
        for (size_t r = begin; r < end && outcomes[thread]; ++r) {
          outcomes[thread] = encoder.encode(first + r, states[thread], bytes.data() + r * encoder.row_bytes(),
                                            differences[r]);
        }
      });
      for (const Result<void>& outcome : outcomes) {
        if (!outcome) return outcome;
      }
      if (auto written = writer_.write(bytes); !written) return written;
      for (const RowEncoder::Difference& difference : differences) {
        told.squared_error += difference.squared_error;
        told.squared_norm += difference.squared_norm;
      }
      done_ += uint64_t{n} * info.columns();
      if (progress_) progress_(done_, total_);
    }
    for (const RowEncoder::State& state : states) told.off_grid_groups += state.off_grid_groups;
    return {};
  }

  const GgufContent& content_;
  GgufTensorType type_;
  const std::string& path_;
  const kernels::KernelTable& kernels_;
  const ThreadTeam& team_;
  const Progress& progress_;
  GgufWriter writer_;
  std::vector<const TensorInfo*> infos_;  // of exported_[i]
  std::vector<GgufExportedTensor> exported_;
  uint64_t done_ = 0, total_ = 0;
};

}  // namespace

Result<std::vector<GgufExportedTensor>> export_gguf(const GgufContent& content, GgufTensorType type,
                                                    const std::string& path,
                                                    const kernels::KernelTable& kernels,
                                                    const ThreadTeam& team, const Progress& progress) {
  return Exporter(content, type, path, kernels, team, progress).run();
}

}  // namespace gemma
