// Checkpoints whose every matrix lies on a 4-bit grid, in the published formats: what the tests of the
// formats share. Shapes, norms and configuration are a golden's; levels and steps are random.
#pragma once

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "engine/model.h"
#include "engine/tensor_plan.h"
#include "kernels/quantize.h"
#include "kernels/stored_blocks.h"
#include "loader/safetensors_writer.h"

namespace gemma::tests {

// One matrix as its trainer knows it: value = step[row, group] * level.
struct GridMatrix {
  std::vector<size_t> shape;
  std::vector<int8_t> levels;  // (rows, columns), -8..7
  std::vector<float> steps;    // (rows, columns / 32): bf16 and fp16 values alike
  size_t columns() const { return shape.back(); }
  size_t rows() const { return levels.size() / columns(); }
};

struct GridCheckpoint {
  std::string golden;                               // its folder
  std::map<std::string, GridMatrix> matrices;       // by canonical name
  std::map<std::string, std::vector<float>> norms;  // all else
  std::map<std::string, std::vector<size_t>> norm_shapes;
};

// Levels with a greatest common divisor of 1 in each group, peaks of either sign and any size; steps between
// 2^-9 and 2^-4 with mantissas of 7 bits.
inline GridCheckpoint make_grid_checkpoint(const std::string& golden, unsigned seed) {
  GridCheckpoint made;
  made.golden = golden;
  ModelOptions options;
  options.weights = false;
  auto model = Model::load(golden, options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  std::mt19937 random(seed);
  for (const PlannedTensor& planned : plan_tensors((*model)->config())) {
    const TensorInfo* tensor = (*model)->source().find(planned.name);
    if (tensor == nullptr) continue;
    if (planned.tensor_class == TensorClass::kFloat) {
      auto values = read_floats((*model)->source(), *tensor, (*model)->kernels());
      REQUIRE(values.has_value());
      made.norms[planned.name] = *values;
      made.norm_shapes[planned.name] = tensor->shape;
      continue;
    }
    GridMatrix& matrix = made.matrices[planned.name];
    matrix.shape = tensor->shape;
    matrix.levels.resize(tensor->elements());
    const float typical = 1.0f / std::sqrt(static_cast<float>(matrix.columns())) / 4;
    for (size_t g = 0; g < matrix.levels.size(); g += 32) {
      const int peak = 1 + static_cast<int>(random() % 8);
      for (size_t i = 0; i < 32; ++i) {
        const int level = static_cast<int>(random() % static_cast<unsigned>(2 * peak + 1)) - peak;
        matrix.levels[g + i] = static_cast<int8_t>(std::min(level, 7));
      }
      // One of +-1 makes the divisor 1; the peak takes either end of the range.
      matrix.levels[g + random() % 16] = random() % 2 == 0 ? 1 : -1;
      matrix.levels[g + 16 + random() % 16] =
          static_cast<int8_t>(peak == 8 || random() % 2 == 0 ? -peak : peak);
      const float mantissa = 1 + static_cast<float>(random() % 128) / 128;
      matrix.steps.push_back(kernels::from_bf16(kernels::to_bf16(typical)) > 0
                                 ? std::ldexp(mantissa, std::ilogb(typical) - static_cast<int>(random() % 3))
                                 : 0);
    }
  }
  return made;
}

inline std::vector<uint16_t> bf16_values(const GridMatrix& matrix) {
  std::vector<uint16_t> values(matrix.levels.size());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = kernels::to_bf16(matrix.steps[i / 32] * static_cast<float>(matrix.levels[i]));
  }
  return values;
}

template <typename T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// Collects tensors and writes them as the folder's model.safetensors.
class FolderWriter {
 public:
  explicit FolderWriter(const std::filesystem::path& folder) : folder_(folder) {}
  void add(const std::string& name, Dtype dtype, std::vector<size_t> shape, std::vector<std::byte> bytes) {
    tensors_.push_back({name, dtype, std::move(shape)});
    data_.push_back(std::move(bytes));
  }
  void add_bf16(const std::string& name, const GridMatrix& matrix) {
    add(name, Dtype::kBf16, matrix.shape, bytes_of(bf16_values(matrix)));
  }
  // Norms under the published names, and the golden's configuration.
  void add_rest(const GridCheckpoint& checkpoint) {
    for (const auto& [name, values] : checkpoint.norms) {
      std::vector<uint16_t> halves(values.size());
      std::transform(values.begin(), values.end(), halves.begin(), kernels::to_bf16);
      add("model.language_model." + name, Dtype::kBf16, checkpoint.norm_shapes.at(name), bytes_of(halves));
    }
    for (const char* file : {"config.json", "generation_config.json"}) {
      std::filesystem::copy_file(std::filesystem::path(checkpoint.golden) / file, folder_ / file,
                                 std::filesystem::copy_options::overwrite_existing);
    }
  }
  void finish() {
    auto writer = SafetensorsWriter::open((folder_ / "model.safetensors").string(), tensors_, {});
    REQUIRE_MESSAGE(writer.has_value(), writer.error().message());
    for (const std::vector<std::byte>& bytes : data_) REQUIRE(writer->write(bytes).has_value());
    REQUIRE(writer->finish().has_value());
  }

 private:
  std::filesystem::path folder_;
  std::vector<TensorToWrite> tensors_;
  std::vector<std::vector<std::byte>> data_;
};

// Form 1: "-qat-q4_0-unquantized", bf16 values on the grid.
inline void write_unquantized(const GridCheckpoint& checkpoint, const std::filesystem::path& folder) {
  FolderWriter writer(folder);
  for (const auto& [name, matrix] : checkpoint.matrices)
    writer.add_bf16("model.language_model." + name, matrix);
  writer.add_rest(checkpoint);
  writer.finish();
}

// Form 3: compressed-tensors "pack-quantized", groups of 32; embeddings, tables and a copy of the tied head
// in bf16.
inline void write_pack_quantized(const GridCheckpoint& checkpoint, const std::filesystem::path& folder) {
  FolderWriter writer(folder);
  for (const auto& [name, matrix] : checkpoint.matrices) {
    const std::string prefix = "model.language_model.";
    const bool linear = name.starts_with("layers.") && matrix.shape.size() == 2;
    if (!linear) {
      writer.add_bf16(prefix + name, matrix);
      if (name == "embed_tokens.weight") writer.add_bf16("lm_head.weight", matrix);
      continue;
    }
    const size_t rows = matrix.rows(), columns = matrix.columns();
    std::vector<std::byte> words(rows * columns / 2);
    for (size_t r = 0; r < rows; ++r) {
      kernels::encode_offset_levels(matrix.levels.data() + r * columns, columns, 4,
                                    words.data() + r * columns / 2);
    }
    std::vector<uint16_t> scales(matrix.steps.size());
    std::transform(matrix.steps.begin(), matrix.steps.end(), scales.begin(), kernels::to_bf16);
    const std::vector<int64_t> shape = {static_cast<int64_t>(rows), static_cast<int64_t>(columns)};
    const std::string stem = prefix + name.substr(0, name.size() - std::string(".weight").size());
    writer.add(stem + ".weight_packed", Dtype::kI32, {rows, columns / 8}, std::move(words));
    writer.add(stem + ".weight_scale", Dtype::kBf16, {rows, columns / 32}, bytes_of(scales));
    writer.add(stem + ".weight_shape", Dtype::kI64, {2}, bytes_of(shape));
  }
  writer.add_rest(checkpoint);
  writer.finish();
}

}  // namespace gemma::tests
