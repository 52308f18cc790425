#include "engine/weights.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernels/pack.h"
#include "kernels/quantize.h"

namespace gemma {
namespace {

using kernels::MatrixView;
using kernels::WeightFormat;

// Rows read, quantized and packed at a time by one thread: whole panels, about 1 MB of float32.
size_t rows_per_step(size_t cols) {
  const size_t rows = std::max<size_t>(1, (size_t{1} << 18) / std::max<size_t>(cols, 1));
  return (rows + kernels::kPanelRows - 1) / kernels::kPanelRows * kernels::kPanelRows;
}

// Stored values as float32.
void widen(Dtype dtype, const std::byte* in, size_t n, float* out) {
  switch (dtype) {
    case Dtype::kBf16:
    case Dtype::kF16:
      for (size_t i = 0; i < n; ++i) {
        uint16_t half;
        std::memcpy(&half, in + 2 * i, sizeof(half));
        out[i] = dtype == Dtype::kBf16 ? kernels::from_bf16(half) : kernels::from_f16(half);
      }
      break;
    default:
      std::memcpy(out, in, n * sizeof(float));
  }
}

Result<void> read_rows_as_float(const TensorSource& source, const TensorInfo& tensor, size_t row0,
                                size_t rows, std::vector<std::byte>& raw, std::vector<float>& out) {
  raw.resize(rows * tensor.row_bytes());
  out.resize(rows * tensor.columns());
  Result<void> read = source.read_rows(tensor, row0, row0 + rows, raw);
  if (!read) return read;
  widen(tensor.dtype, raw.data(), out.size(), out.data());
  return {};
}

WeightFormat float_format(Dtype dtype) {
  switch (dtype) {
    case Dtype::kBf16:
      return WeightFormat::kBf16;
    case Dtype::kF16:
      return WeightFormat::kF16;
    default:
      return WeightFormat::kF32;
  }
}

size_t float_bytes(WeightFormat format) {
  return format == WeightFormat::kF32 ? 4 : 2;
}

// How one matrix of a class is stored: format, and what its quantizer does.
WeightFormat target_format(const ClassScheme& scheme, Dtype stored) {
  if (scheme.weight == WeightKind::kF32) return float_format(stored);  // every stored float is a float32
  if (scheme.weight == WeightKind::kBf16) return WeightFormat::kBf16;
  if (scheme.fake) return WeightFormat::kF32;
  if (!scheme.integer) return WeightFormat::kLevels;
  if (scheme.weight_bits == 8) return WeightFormat::kInt8Channel;
  return scheme.granularity == Granularity::kGroup ? WeightFormat::kInt4Group32 : WeightFormat::kInt4Channel;
}

InputFormat input_format(const ClassScheme& scheme, size_t cols) {
  using kernels::ActivationKind;
  InputFormat input;
  if (scheme.activation == ActivationLevels::kNone) return input;
  const bool four = scheme.activation_bits == 4;
  input.fake = scheme.fake;
  if (scheme.activation == ActivationLevels::kGroup && scheme.activation_group != cols) {
    input.kind = four ? ActivationKind::kInt4Group : ActivationKind::kInt8Group;
    input.group = scheme.activation_group;
  } else if (scheme.activation == ActivationLevels::kGroup) {
    input.kind = four ? ActivationKind::kInt4Group : ActivationKind::kInt8Group;
    input.group = cols;
  } else {
    input.kind = four ? ActivationKind::kInt4Token : ActivationKind::kInt8Token;
  }
  return input;
}

class Builder {
 public:
  Builder(const ModelConfig& config, const Scheme& scheme, const TensorSource& source, const ThreadTeam& team,
          const Progress& progress)
      : config_(config), scheme_(scheme), source_(source), team_(team), progress_(progress) {}

  Result<std::unique_ptr<Weights>> build();

 private:
  Result<void> check_groups() const;
  Result<void> check_room() const;
  Result<Matrix> matrix(const TensorInfo& tensor, TensorClass tensor_class, size_t row0, size_t rows);
  Result<Matrix> named_matrix(const std::string& name, TensorClass tensor_class);
  Result<void> layer(size_t index, LayerWeights& weights);
  Result<void> embedding_and_head(Weights& weights);
  Result<void> per_layer_embeddings(Weights& weights);
  Result<WeightQuantizer> quantizer(const TensorInfo& tensor, const ClassScheme& scheme, size_t cols);
  Result<float> tensor_absmax(const TensorInfo& tensor) const;
  Result<bool> same_values(const TensorInfo& a, const TensorInfo& b) const;
  TensorReport& report(const TensorInfo& tensor, TensorClass tensor_class, const WeightQuantizer& quantizer);

  // Runs step(row0, rows) over all rows in parallel; the first error wins.
  template <typename Step>
  Result<void> over_rows(size_t rows, size_t cols, const Step& step) const;

  void count(uint64_t elements) {
    done_ += elements;
    if (progress_) progress_(done_, total_);
  }

  const ModelConfig& config_;
  const Scheme& scheme_;
  const TensorSource& source_;
  const ThreadTeam& team_;
  const Progress& progress_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  std::vector<TensorReport> reports_;
  std::map<std::string, WeightQuantizer> quantizers_;  // by tensor: experts share one tensor's
};

template <typename Step>
Result<void> Builder::over_rows(size_t rows, size_t cols, const Step& step) const {
  const size_t stride = rows_per_step(cols);
  const size_t steps = (rows + stride - 1) / stride;
  std::vector<Result<void>> outcomes(team_.size());
  team_.parallel_for(steps, 1, [&](size_t begin, size_t end, size_t thread) {
    for (size_t s = begin; s < end && outcomes[thread]; ++s) {
      outcomes[thread] = step(s * stride, std::min(stride, rows - s * stride));
    }
  });
  for (Result<void>& outcome : outcomes) {
    if (!outcome) return std::move(outcome);
  }
  return {};
}

Result<float> Builder::tensor_absmax(const TensorInfo& tensor) const {
  std::vector<float> largest(tensor.rows(), 0.0f);
  Result<void> read =
      over_rows(tensor.rows(), tensor.columns(), [&](size_t row0, size_t rows) -> Result<void> {
        std::vector<std::byte> raw;
        std::vector<float> values;
        Result<void> ok = read_rows_as_float(source_, tensor, row0, rows, raw, values);
        if (!ok) return ok;
        for (float value : values) largest[row0] = std::max(largest[row0], std::fabs(value));
        return {};
      });
  if (!read) return fail(std::move(read.error()));
  return *std::max_element(largest.begin(), largest.end());
}

// The quantizer of a tensor; `cols` is the width a "channel" has (a layer's slice in the per-layer table).
Result<WeightQuantizer> Builder::quantizer(const TensorInfo& tensor, const ClassScheme& scheme, size_t cols) {
  if (scheme.weight != WeightKind::kLevels) return WeightQuantizer();
  const auto known = quantizers_.find(tensor.name);
  if (known != quantizers_.end()) return known->second;
  WeightQuantizer made;
  switch (scheme.granularity) {
    case Granularity::kTensor: {
      Result<float> absmax = tensor_absmax(tensor);
      if (!absmax) return fail(std::move(absmax.error()));
      made = WeightQuantizer::per_tensor(scheme.weight_bits,
                                         kernels::symmetric_scale(*absmax, scheme.weight_bits));
      break;
    }
    case Granularity::kChannel:
      made = WeightQuantizer::per_group(scheme.weight_bits, cols);
      break;
    case Granularity::kGroup:
      if (scheme.weight_bits == 4 && scheme.weight_group == kernels::kGroup) {
        Result<bool> grid = on_grid(source_, tensor);
        if (!grid) return fail(std::move(grid.error()));
        made = WeightQuantizer::q4_0(*grid);
      } else {
        made = WeightQuantizer::per_group(scheme.weight_bits, scheme.weight_group);
      }
  }
  return quantizers_.emplace(tensor.name, made).first->second;
}

TensorReport& Builder::report(const TensorInfo& tensor, TensorClass tensor_class,
                              const WeightQuantizer& quantizer) {
  if (reports_.empty() || reports_.back().name != tensor.name) {
    TensorReport fresh;
    fresh.name = tensor.name;
    fresh.tensor_class = tensor_class;
    fresh.scheme = to_string(scheme_.of(tensor_class));
    fresh.on_grid = quantizer.on_grid();
    reports_.push_back(fresh);
  }
  return reports_.back();
}

// Rows [row0, row0 + rows) of a tensor as a matrix of their own.
Result<Matrix> Builder::matrix(const TensorInfo& tensor, TensorClass tensor_class, size_t row0, size_t rows) {
  const ClassScheme scheme = scheme_.of(tensor_class);
  const size_t cols = tensor.columns();
  MatrixView view;
  view.format = target_format(scheme, tensor.dtype);
  view.rows = rows;
  view.cols = cols;
  const InputFormat input = input_format(scheme, cols);
  const bool floats = scheme.weight != WeightKind::kLevels;
  view.bits = static_cast<uint8_t>(view.format == WeightFormat::kF32 ? 32 : floats ? 16 : scheme.weight_bits);

  Result<WeightQuantizer> quantizer = this->quantizer(tensor, scheme, cols);
  if (!quantizer) return fail(std::move(quantizer.error()));
  TensorReport& told = report(tensor, tensor_class, *quantizer);
  told.elements += uint64_t{rows} * cols;

  // Stored as wanted and mapped: the file is the matrix.
  const std::span<const std::byte> mapped = source_.mapped(tensor);
  if (floats && view.format == float_format(tensor.dtype) && !mapped.empty() &&
      reinterpret_cast<uintptr_t>(mapped.data()) % float_bytes(view.format) == 0) {
    view.data = mapped.data() + row0 * tensor.row_bytes();
    told.mapped_bytes += rows * tensor.row_bytes();
    count(uint64_t{rows} * cols);
    return Matrix(view, input, {}, {});
  }

  const bool unquantized = floats || scheme.fake;
  const size_t bytes = unquantized ? rows * cols * float_bytes(view.format)
                                   : kernels::packed_bytes(view.format, view.bits, rows, cols);
  Result<Buffer> data = Buffer::allocate(bytes, tensor.name);
  if (!data) return fail(std::move(data.error()));
  const size_t groups = floats ? 0 : quantizer->groups_per_row(cols);
  view.group = quantizer->is_per_tensor() ? 0 : groups == 0 ? 0 : cols / groups;
  const bool scales_inside = view.format == WeightFormat::kInt4Group32;
  const size_t padded = (rows + kernels::kPanelRows - 1) / kernels::kPanelRows * kernels::kPanelRows;
  const size_t scale_count = unquantized || scales_inside ? 0
                             : quantizer->is_per_tensor() ? 1
                                                          : padded * groups;
  Result<Buffer> scales = Buffer::allocate(scale_count * sizeof(float), tensor.name);
  if (!scales) return fail(std::move(scales.error()));

  std::atomic<uint64_t> off_grid{0};
  std::byte* out = data->data();
  float* out_scales = scales->as<float>();
  Result<void> done = over_rows(rows, cols, [&](size_t first, size_t n) -> Result<void> {
    std::vector<std::byte> raw;
    std::vector<float> values;
    Result<void> read = read_rows_as_float(source_, tensor, row0 + first, n, raw, values);
    if (!read) return read;
    if (view.format == WeightFormat::kBf16) {
      uint16_t* to = reinterpret_cast<uint16_t*>(out) + first * cols;
      std::transform(values.begin(), values.end(), to, kernels::to_bf16);
      return {};
    }
    if (floats) {
      std::memcpy(out + first * tensor.row_bytes(), raw.data(), raw.size());
      return {};
    }
    std::vector<int8_t> levels(n * cols);
    std::vector<float> row_scales(n * groups);
    for (size_t r = 0; r < n; ++r) {
      off_grid += quantizer->quantize({values.data() + r * cols, cols}, levels.data() + r * cols,
                                      row_scales.data() + r * groups);
    }
    if (scheme.fake) {
      float* to = reinterpret_cast<float*>(out) + first * cols;
      const size_t group = cols / groups;
      for (size_t i = 0; i < n * cols; ++i) to[i] = row_scales[i / group] * static_cast<float>(levels[i]);
      return {};
    }
    std::vector<uint16_t> halves;
    if (scales_inside) {
      halves.resize(row_scales.size());
      std::transform(row_scales.begin(), row_scales.end(), halves.begin(), kernels::to_f16);
    } else if (quantizer->is_per_tensor()) {
      if (first == 0) out_scales[0] = row_scales[0];
    } else {
      std::copy(row_scales.begin(), row_scales.end(), out_scales + first * groups);
    }
    kernels::pack_rows(view.format, view.bits, rows, cols, first, n, levels.data(),
                       halves.empty() ? nullptr : halves.data(), out);
    return {};
  });
  if (!done) return fail(std::move(done.error()));
  if (quantizer->is_q4_0()) told.groups += uint64_t{rows} * groups;
  told.off_grid_groups += off_grid;
  told.owned_bytes += data->bytes() + scales->bytes();
  view.data = out;
  view.scales = scale_count > 0 ? out_scales : nullptr;
  count(uint64_t{rows} * cols);
  return Matrix(view, input, std::move(*data), std::move(*scales));
}

Result<Matrix> Builder::named_matrix(const std::string& name, TensorClass tensor_class) {
  const TensorInfo* tensor = source_.find(name);
  if (tensor == nullptr) return fail(ErrorCode::kMismatch, name, "the tensor is not in the checkpoint");
  return matrix(*tensor, tensor_class, 0, tensor->rows());
}

// Groups must divide the columns; all tensors where they do not are told at once.
Result<void> Builder::check_groups() const {
  std::vector<std::string> misfits;
  for (const PlannedTensor& planned : plan_tensors(config_)) {
    if (!planned.required || planned.tensor_class == TensorClass::kFloat) continue;
    const ClassScheme scheme = scheme_.of(planned.tensor_class);
    const bool table = planned.tensor_class == TensorClass::kPle;
    const size_t cols = table ? config_.ple_width : planned.shape.back();
    const bool weights = scheme.weight == WeightKind::kLevels && scheme.granularity == Granularity::kGroup;
    const bool inputs = scheme.activation == ActivationLevels::kGroup && !table;
    if (weights && cols % scheme.weight_group != 0) {
      misfits.push_back(fmt::format("{}: {} columns, groups of {}", planned.name, cols, scheme.weight_group));
    } else if (inputs && cols % scheme.activation_group != 0) {
      misfits.push_back(fmt::format("{}: {} columns, activation groups of {}", planned.name, cols,
                                    scheme.activation_group));
    }
  }
  if (misfits.empty()) return {};
  return fail(ErrorCode::kUsage, "scheme " + to_string(scheme_),
              fmt::format("the group does not divide the columns of {} tensors:\n    {}", misfits.size(),
                          fmt::join(misfits, "\n    ")),
              "take a group size that divides them, or per channel (c)");
}

Result<void> Builder::check_room() const {
  uint64_t bytes = 0;
  for (const PlannedTensor& planned : plan_tensors(config_)) {
    const TensorInfo* tensor = source_.find(planned.name);
    if (tensor == nullptr || !planned.required || planned.tensor_class == TensorClass::kPle) continue;
    if (planned.tensor_class == TensorClass::kFloat) {
      bytes += tensor->elements() * sizeof(float);
      continue;
    }
    const ClassScheme scheme = scheme_.of(planned.tensor_class);
    const WeightFormat format = target_format(scheme, tensor->dtype);
    if (scheme.weight != WeightKind::kLevels) {
      const bool stays = format == float_format(tensor->dtype) && !source_.mapped(*tensor).empty();
      bytes += stays ? 0 : tensor->elements() * float_bytes(format);
    } else if (scheme.fake) {
      bytes += tensor->elements() * sizeof(float);
    } else {
      bytes += kernels::packed_bytes(format, scheme.weight_bits, tensor->rows(), tensor->columns());
    }
  }
  return check_memory(bytes, "weights as " + to_string(scheme_));
}

Result<bool> Builder::same_values(const TensorInfo& a, const TensorInfo& b) const {
  if (a.dtype != b.dtype || a.shape != b.shape) return false;
  std::atomic<bool> same{true};
  Result<void> read = over_rows(a.rows(), a.columns(), [&](size_t row0, size_t rows) -> Result<void> {
    if (!same) return {};
    std::vector<std::byte> left(rows * a.row_bytes()), right(left.size());
    Result<void> ok = source_.read_rows(a, row0, row0 + rows, left);
    if (ok) ok = source_.read_rows(b, row0, row0 + rows, right);
    if (ok && left != right) same = false;
    return ok;
  });
  if (!read) return fail(std::move(read.error()));
  return same.load();
}

Result<void> Builder::embedding_and_head(Weights& weights) {
  const TensorInfo* embed = source_.find("embed_tokens.weight");
  const TensorInfo* head = source_.find("lm_head.weight");
  if (head != nullptr && config_.tied) {
    // Some exporters write the tied head out. If it is the same, one matrix serves both.
    Result<bool> same = same_values(*embed, *head);
    if (!same) return fail(std::move(same.error()));
    if (*same) head = nullptr;
  }
  const bool one = head == nullptr && scheme_.of(TensorClass::kEmbed) == scheme_.of(TensorClass::kHead);
  Result<Matrix> embed_matrix =
      matrix(*embed, one ? TensorClass::kHead : TensorClass::kEmbed, 0, embed->rows());
  if (!embed_matrix) return fail(std::move(embed_matrix.error()));
  weights.embed_matrix = std::make_unique<Matrix>(std::move(*embed_matrix));
  if (!one) {
    const TensorInfo& source = head != nullptr ? *head : *embed;
    quantizers_.erase(source.name);
    Result<Matrix> head_matrix = matrix(source, TensorClass::kHead, 0, source.rows());
    if (!head_matrix) return fail(std::move(head_matrix.error()));
    weights.head_matrix = std::make_unique<Matrix>(std::move(*head_matrix));
  }
  weights.embedding = Embedding(weights.embed_matrix.get());
  weights.head = Head(one ? weights.embed_matrix.get() : weights.head_matrix.get());
  const auto rounded_root = [&](size_t width) {
    const float root = static_cast<float>(std::sqrt(static_cast<double>(width)));
    switch (embed->dtype) {
      case Dtype::kBf16:
        return kernels::from_bf16(kernels::to_bf16(root));
      case Dtype::kF16:
        return kernels::from_f16(kernels::to_f16(root));
      default:
        return root;
    }
  };
  weights.embedding_scale = rounded_root(config_.hidden_size);
  weights.ple_scale = rounded_root(config_.ple_width);
  return {};
}

Result<void> Builder::per_layer_embeddings(Weights& weights) {
  const TensorInfo* table = source_.find("embed_tokens_per_layer.weight");
  Result<WeightQuantizer> quantizer =
      this->quantizer(*table, scheme_.of(TensorClass::kPle), config_.ple_width);
  if (!quantizer) return fail(std::move(quantizer.error()));
  TensorReport& told = report(*table, TensorClass::kPle, *quantizer);
  told.elements = table->elements();
  told.mapped_bytes = 0;
  weights.ple_table = PleTable(&source_, table, *quantizer);
  Result<Matrix> projection = named_matrix("per_layer_model_projection.weight", TensorClass::kPleModel);
  if (!projection) return fail(std::move(projection.error()));
  weights.ple_model_projection = std::move(*projection);
  Result<std::vector<float>> norm = read_floats(source_, *source_.find("per_layer_projection_norm.weight"));
  if (!norm) return fail(std::move(norm.error()));
  weights.ple_projection_norm = std::move(*norm);
  return {};
}

Result<void> Builder::layer(size_t index, LayerWeights& w) {
  const LayerConfig& config = config_.layers[index];
  const std::string prefix = fmt::format("layers.{}.", index);
  struct FloatTensor {
    const char* name;
    std::vector<float>* to;
    bool present;
  };
  const bool ple = config_.ple_width > 0;
  const bool moe = config_.experts > 0;
  std::vector<float> layer_scalar;
  const FloatTensor floats[] = {
      {"input_layernorm.weight", &w.input_norm, true},
      {"post_attention_layernorm.weight", &w.post_attention_norm, true},
      {"pre_feedforward_layernorm.weight", &w.pre_feedforward_norm, true},
      {"post_feedforward_layernorm.weight", &w.post_feedforward_norm, true},
      {"self_attn.q_norm.weight", &w.q_norm, true},
      {"self_attn.k_norm.weight", &w.k_norm, config.owns_kv},
      {"layer_scalar", &layer_scalar, true},
      {"post_per_layer_input_norm.weight", &w.post_ple_norm, ple},
      {"router.scale", &w.router_scale, moe},
      {"router.per_expert_scale", &w.per_expert_scale, moe},
      {"post_feedforward_layernorm_1.weight", &w.post_feedforward_norm_1, moe},
      {"pre_feedforward_layernorm_2.weight", &w.pre_feedforward_norm_2, moe},
      {"post_feedforward_layernorm_2.weight", &w.post_feedforward_norm_2, moe},
  };
  for (const FloatTensor& tensor : floats) {
    if (!tensor.present) continue;
    Result<std::vector<float>> values = read_floats(source_, *source_.find(prefix + tensor.name));
    if (!values) return fail(std::move(values.error()));
    *tensor.to = std::move(*values);
  }
  w.layer_scalar = layer_scalar[0];

  struct MatrixTensor {
    const char* name;
    Matrix* to;
    TensorClass tensor_class;
    bool present;
  };
  const MatrixTensor matrices[] = {
      {"self_attn.q_proj.weight", &w.q, TensorClass::kAttention, true},
      {"self_attn.k_proj.weight", &w.k, TensorClass::kAttention, config.owns_kv},
      {"self_attn.v_proj.weight", &w.v, TensorClass::kAttention, config.owns_kv && !config.k_eq_v},
      {"self_attn.o_proj.weight", &w.o, TensorClass::kAttention, true},
      {"mlp.gate_proj.weight", &w.gate, TensorClass::kMlp, true},
      {"mlp.up_proj.weight", &w.up, TensorClass::kMlp, true},
      {"mlp.down_proj.weight", &w.down, TensorClass::kMlp, true},
      {"per_layer_input_gate.weight", &w.ple_gate, TensorClass::kPleGate, ple},
      {"per_layer_projection.weight", &w.ple_projection, TensorClass::kPleGate, ple},
      {"router.proj.weight", &w.router, TensorClass::kFloat, moe},
  };
  for (const MatrixTensor& tensor : matrices) {
    if (!tensor.present) continue;
    Result<Matrix> built = named_matrix(prefix + tensor.name, tensor.tensor_class);
    if (!built) return fail(std::move(built.error()));
    *tensor.to = std::move(*built);
  }
  if (!moe) return {};
  const std::pair<const char*, std::vector<Matrix>*> experts[] = {{"experts.gate_up_proj", &w.expert_gate_up},
                                                                  {"experts.down_proj", &w.expert_down}};
  for (const auto& [name, to] : experts) {
    const TensorInfo& tensor = *source_.find(prefix + name);
    const size_t rows = tensor.rows() / config_.experts;
    for (size_t e = 0; e < config_.experts; ++e) {
      Result<Matrix> built = matrix(tensor, TensorClass::kExperts, e * rows, rows);
      if (!built) return fail(std::move(built.error()));
      to->push_back(std::move(*built));
    }
  }
  return {};
}

Result<std::unique_ptr<Weights>> Builder::build() {
  for (const Result<void>& checked : {check_groups(), check_room()}) {
    if (!checked) return fail(checked.error());
  }
  for (const PlannedTensor& planned : plan_tensors(config_)) {
    if (planned.required && planned.shape.size() > 1 && planned.tensor_class != TensorClass::kPle) {
      uint64_t elements = 1;
      for (size_t extent : planned.shape) elements *= extent;
      total_ += elements;
    }
  }
  auto weights = std::make_unique<Weights>();
  Result<void> done = embedding_and_head(*weights);
  if (done && config_.ple_width > 0) done = per_layer_embeddings(*weights);
  weights->layers.resize(config_.layers.size());
  for (size_t i = 0; i < config_.layers.size() && done; ++i) done = layer(i, weights->layers[i]);
  if (!done) return fail(std::move(done.error()));
  Result<std::vector<float>> norm = read_floats(source_, *source_.find("norm.weight"));
  if (!norm) return fail(std::move(norm.error()));
  weights->final_norm = std::move(*norm);
  weights->reports = std::move(reports_);
  return weights;
}

}  // namespace

void Embedding::row(size_t id, float* out) const {
  kernels::dequantize_row(matrix_->view(), id, out);
}

Result<void> PleTable::row(size_t id, std::span<float> out) const {
  std::vector<std::byte> raw;
  std::vector<float> values;
  Result<void> read = read_rows_as_float(*source_, *tensor_, id, 1, raw, values);
  if (!read) return read;
  std::copy(values.begin(), values.end(), out.begin());
  std::vector<int8_t> levels;
  quantizer_.fake(out, levels);
  return {};
}

Result<bool> on_grid(const TensorSource& source, const TensorInfo& tensor) {
  if (tensor.columns() % kernels::kGroup != 0 || tensor.rows() == 0) return false;
  constexpr size_t kSampledRows = 32;
  const size_t step = std::max<size_t>(1, tensor.rows() / kSampledRows);
  std::vector<std::byte> raw;
  std::vector<float> values;
  bool any = false;
  for (size_t row = step / 2; row < tensor.rows(); row += step) {
    Result<void> read = read_rows_as_float(source, tensor, row, 1, raw, values);
    if (!read) return fail(std::move(read.error()));
    for (size_t c = 0; c < values.size(); c += kernels::kGroup) {
      int8_t levels[kernels::kGroup];
      uint16_t scale = 0;
      const std::span<const float, kernels::kGroup> group(values.data() + c, kernels::kGroup);
      if (!kernels::q4_0_recover_grid(group, std::span<int8_t, kernels::kGroup>(levels), scale)) return false;
      any = any || std::any_of(group.begin(), group.end(), [](float w) { return w != 0; });
    }
  }
  return any;
}

Result<std::vector<float>> read_floats(const TensorSource& source, const TensorInfo& tensor) {
  std::vector<std::byte> raw;
  std::vector<float> values;
  Result<void> read = read_rows_as_float(source, tensor, 0, tensor.rows(), raw, values);
  if (!read) return fail(std::move(read.error()));
  return values;
}

Result<std::unique_ptr<Weights>> build_weights(const ModelConfig& config, const Scheme& scheme,
                                               const TensorSource& source, const ThreadTeam& team,
                                               const Progress& progress) {
  return Builder(config, scheme, source, team, progress).build();
}

}  // namespace gemma
