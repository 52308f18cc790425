#include "engine/bf16_export.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <system_error>

#include <fmt/format.h>

#include "engine/activation_scales.h"
#include "engine/stored_tensor.h"
#include "engine/weight_plan.h"
#include "kernels/pack.h"
#include "kernels/quantize.h"
#include "loader/safetensors_writer.h"

namespace gemma {
namespace {

// "layers.0.mlp.up_proj.weight" as published checkpoints call it.
std::string published_name(const std::string& name) {
  return name == "lm_head.weight" ? name : "model.language_model." + name;
}

class Exporter {
 public:
  Exporter(const ModelConfig& config, const TensorSource& source, const Scheme& scheme,
           const kernels::KernelTable& kernels, const ThreadTeam& team, const PackOptions& options)
      : config_(config),
        source_(source),
        scheme_(scheme),
        kernels_(kernels),
        team_(team),
        options_(options) {}

  Result<PackedReport> run(const std::string& path);

 private:
  struct Item {
    const TensorInfo* tensor;
    TensorClass tensor_class;
    std::string name;
    bool scale = false;  // of activations: stays float32
  };

  Result<std::vector<Item>> list() const;
  Result<void> write(const Item& item, SafetensorsWriter& writer, PackedTensor& told);

  const ModelConfig& config_;
  const TensorSource& source_;
  const Scheme& scheme_;
  const kernels::KernelTable& kernels_;
  const ThreadTeam& team_;
  const PackOptions& options_;
  uint64_t done_ = 0, total_ = 0;
};

Result<std::vector<Exporter::Item>> Exporter::list() const {
  if (Result<void> there = check_layers(config_, scheme_); !there) return fail(std::move(there.error()));
  Result<bool> apart = head_is_apart(config_, source_, team_);
  if (!apart) return fail(std::move(apart.error()));
  std::vector<Item> items;
  for (const PlannedTensor& planned : plan_tensors(config_)) {
    const TensorInfo* tensor = source_.find(planned.name);
    const bool head = planned.name == "lm_head.weight";
    if (tensor == nullptr || (head ? !*apart : !planned.required)) continue;
    items.push_back({tensor, planned.tensor_class, planned.name, false});
  }
  // Calibrated scales go with the values; trained ones belong to levels that this export gives up.
  if (trained_with_static_scales(source_)) return items;
  for (const TensorInfo& tensor : source_.tensors()) {
    if (!calibrated_module(tensor.name).empty())
      items.push_back({&tensor, TensorClass::kFloat, tensor.name, true});
  }
  return items;
}

// Rows in blocks: read, rounded by the scheme, compared, rounded to bf16, written in order.
Result<void> Exporter::write(const Item& item, SafetensorsWriter& writer, PackedTensor& told) {
  Result<StoredTensor> stored = StoredTensor::open(source_, *item.tensor, kernels_);
  if (!stored) return fail(std::move(stored.error()));
  const ClassScheme scheme = resolve(scheme_.of(item.tensor_class, item.tensor->name), *stored);
  const size_t rows = item.tensor->rows(), cols = item.tensor->columns();
  const Progress silent;
  MatrixBuilder builder(scheme_, source_, kernels_, team_, 0, silent);
  if (options_.off_grid) builder.set_off_grid(*options_.off_grid);
  Result<WeightQuantizer> quantizer = WeightQuantizer();
  const bool floats = item.tensor_class == TensorClass::kFloat;
  told.scheme = floats ? "BF16" : to_string(scheme);
  told.kept = floats || keeps_levels(scheme, *stored);
  if (!told.kept) {
    quantizer =
        builder.quantizer(*stored, scheme, item.tensor_class == TensorClass::kPle ? config_.ple_width : cols);
  }
  if (!quantizer) return fail(std::move(quantizer.error()));
  told.on_grid = quantizer->on_grid();

  const size_t step = std::max<size_t>(1, (size_t{1} << 22) / std::max<size_t>(cols, 1));
  std::vector<uint16_t> block(std::min(step, rows) * cols);
  std::vector<double> errors(std::min(step, rows)), squares(errors.size());
  double error = 0, square = 0;
  for (size_t row0 = 0; row0 < rows; row0 += step) {
    const size_t n = std::min(step, rows - row0);
    std::vector<Result<void>> outcomes(team_.size());
    team_.parallel_for(n, 16, [&](size_t begin, size_t end, size_t thread) {
      StoredTensor::Scratch scratch;
      std::vector<float> values(cols), rounded(cols);
      std::vector<int8_t> levels;
      std::vector<float> scales;
      for (size_t r = begin; r < end && outcomes[thread]; ++r) {
        outcomes[thread] = stored->floats(row0 + r, 1, scratch, values.data());
        rounded = values;
        quantizer->fake(kernels_, rounded, levels, scales);
        errors[r] = squares[r] = 0;
        for (size_t c = 0; c < cols; ++c) {
          block[r * cols + c] = kernels::to_bf16(rounded[c]);
          const double off = static_cast<double>(values[c]) - kernels::from_bf16(block[r * cols + c]);
          errors[r] += off * off;
          squares[r] += static_cast<double>(values[c]) * values[c];
        }
      }
    });
    for (Result<void>& outcome : outcomes) {
      if (!outcome) return std::move(outcome);
    }
    for (size_t r = 0; r < n; ++r) {
      error += errors[r];
      square += squares[r];
    }
    Result<void> written = writer.write(std::as_bytes(std::span(block).first(n * cols)));
    if (!written) return written;
    done_ += n * cols;
    if (options_.progress) options_.progress(done_, total_);
    if (options_.interrupted && options_.interrupted()) {
      return fail(ErrorCode::kUsage, item.name, "interrupted", "run the same command again: it begins anew");
    }
  }
  told.mean_squared_error = rows * cols == 0 ? 0 : error / static_cast<double>(rows * cols);
  told.snr_db = error == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(square / error);
  return {};
}

Result<PackedReport> Exporter::run(const std::string& path) {
  Result<std::vector<Item>> items = list();
  if (!items) return fail(std::move(items.error()));
  std::vector<TensorToWrite> tensors;
  for (const Item& item : *items) {
    tensors.push_back(
        {published_name(item.name), item.scale ? Dtype::kF32 : Dtype::kBf16, item.tensor->shape});
    total_ += item.tensor->elements();
  }
  const std::map<std::string, std::string> metadata = {{"format", "pt"}};
  PackedReport report;
  report.file_bytes = SafetensorsWriter::file_bytes(tensors, metadata);
  std::error_code error;
  std::filesystem::remove(path, error);
  const auto space = std::filesystem::space(std::filesystem::path(path).parent_path(), error);
  if (!error && space.available < report.file_bytes) {
    return fail(ErrorCode::kResource, path,
                fmt::format("needs {} of disk, and {} are free", format_bytes(report.file_bytes),
                            format_bytes(space.available)),
                "free some space or write to another disk");
  }
  Result<SafetensorsWriter> writer = SafetensorsWriter::open(path, tensors, metadata);
  if (!writer) return fail(std::move(writer.error()));
  for (const Item& item : *items) {
    if (item.scale) {
      Result<std::vector<float>> values = read_floats(source_, *item.tensor, kernels_);
      if (!values) return fail(std::move(values.error()));
      Result<void> copied = writer->write(std::as_bytes(std::span(*values)));
      if (!copied) return fail(std::move(copied.error()));
      done_ += item.tensor->elements();
      continue;
    }
    PackedTensor told;
    told.name = item.name;
    told.tensor_class = item.tensor_class;
    told.bits = 16;
    told.elements = item.tensor->elements();
    told.bytes = 2 * told.elements;
    Result<void> written = write(item, *writer, told);
    if (!written) return fail(std::move(written.error()));
    report.tensors.push_back(std::move(told));
  }
  Result<void> finished = writer->finish();
  if (!finished) return fail(std::move(finished.error()));
  return report;
}

}  // namespace

Result<PackedReport> export_bf16(const ModelConfig& config, const TensorSource& source, const Scheme& scheme,
                                 const kernels::KernelTable& kernels, const ThreadTeam& team,
                                 const std::string& path, const PackOptions& options) {
  return Exporter(config, source, scheme, kernels, team, options).run(path);
}

}  // namespace gemma
