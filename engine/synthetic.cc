#include "engine/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gemma {
namespace {

// What random weights look like: mean and standard deviation.
struct Distribution {
  double mean = 0;
  double deviation = 0;
};

constexpr Distribution kNorm{1.0, 0.1};
constexpr Distribution kAttentionOut{0.5, 0.05};  // post_attention_layernorm
constexpr Distribution kFinalNorm{0.0, 4.0};
constexpr Distribution kLayerScalar{31.0 / 32, kUnitDeviation / kUnitPeak / 32};
constexpr Distribution kRouter{0.0, 1.5};  // its input has deviation 1/sqrt(hidden)
constexpr double kScoreDeviation = 1.5;

struct Tensor {
  TensorInfo info;
  RandomStream stream;
};

// Lists the tensors of a configuration (gemma4.md 3.3), in any order.
class Inventory {
 public:
  Inventory(const ModelConfig& config, uint64_t seed) : config_(config), seed_(seed) {}

  std::vector<Tensor> list() {
    add_top();
    for (size_t i = 0; i < config_.layers.size(); ++i) {
      const LayerConfig& layer = config_.layers[i];
      const std::string prefix = fmt::format("layers.{}.", i);
      add_norms(prefix);
      add_attention(prefix + "self_attn.", layer);
      add_mlp(prefix + "mlp.", layer.intermediate_size);
      if (config_.experts > 0) add_experts(prefix);
      if (config_.ple_width > 0) add_per_layer_input(prefix);
    }
    return std::move(tensors_);
  }

 private:
  void add(std::string name, std::vector<size_t> shape, Distribution distribution) {
    const RandomStream stream{random_key(seed_, name), static_cast<float>(distribution.mean),
                              static_cast<float>(distribution.deviation / kUnitDeviation)};
    tensors_.push_back({{name, name, "", std::move(shape), Dtype::kBf16}, stream});
  }

  // (rows, columns) that maps unit inputs to unit outputs.
  void add_matrix(std::string name, std::vector<size_t> shape) {
    const double columns = static_cast<double>(shape.back());
    add(std::move(name), std::move(shape), {0.0, 1 / std::sqrt(columns)});
  }

  void add_norm(std::string name, size_t width) { add(std::move(name), {width}, kNorm); }

  void add_top() {
    const size_t hidden = config_.hidden_size, ple_columns = config_.layers.size() * config_.ple_width;
    add_matrix("embed_tokens.weight", {config_.vocab_size, hidden});
    if (!config_.tied) add_matrix("lm_head.weight", {config_.vocab_size, hidden});
    add("norm.weight", {hidden}, kFinalNorm);
    if (config_.ple_width == 0) return;
    // The table's scale is sqrt(ple_width): a unit is a layer's block, not the whole row.
    add("embed_tokens_per_layer.weight", {config_.ple_vocab_size, ple_columns},
        {0.0, 1 / std::sqrt(static_cast<double>(config_.ple_width))});
    add_matrix("per_layer_model_projection.weight", {ple_columns, hidden});
    add_norm("per_layer_projection_norm.weight", config_.ple_width);
  }

  void add_norms(const std::string& prefix) {
    const size_t hidden = config_.hidden_size;
    add_norm(prefix + "input_layernorm.weight", hidden);
    add(prefix + "post_attention_layernorm.weight", {hidden}, kAttentionOut);
    add_norm(prefix + "pre_feedforward_layernorm.weight", hidden);
    add_norm(prefix + "post_feedforward_layernorm.weight", hidden);
    add(prefix + "layer_scalar", {1}, kLayerScalar);
  }

  void add_attention(const std::string& prefix, const LayerConfig& layer) {
    const size_t hidden = config_.hidden_size;
    const size_t q = config_.heads * layer.head_dim, kv = layer.kv_heads * layer.head_dim;
    add_matrix(prefix + "q_proj.weight", {q, hidden});
    add_matrix(prefix + "o_proj.weight", {hidden, q});
    const double q_mean = kScoreDeviation / std::sqrt(static_cast<double>(layer.head_dim));
    add(prefix + "q_norm.weight", {layer.head_dim}, {q_mean, q_mean * kNorm.deviation});
    if (!layer.owns_kv) return;
    add_matrix(prefix + "k_proj.weight", {kv, hidden});
    if (!layer.k_eq_v) add_matrix(prefix + "v_proj.weight", {kv, hidden});
    add_norm(prefix + "k_norm.weight", layer.head_dim);
  }

  void add_mlp(const std::string& prefix, size_t width) {
    add_matrix(prefix + "gate_proj.weight", {width, config_.hidden_size});
    add_matrix(prefix + "up_proj.weight", {width, config_.hidden_size});
    add_matrix(prefix + "down_proj.weight", {config_.hidden_size, width});
  }

  void add_experts(const std::string& prefix) {
    const size_t hidden = config_.hidden_size, experts = config_.experts, width = config_.expert_width;
    add(prefix + "router.proj.weight", {experts, hidden}, kRouter);
    add_norm(prefix + "router.scale", hidden);
    add_norm(prefix + "router.per_expert_scale", experts);
    add_matrix(prefix + "experts.gate_up_proj", {experts, 2 * width, hidden});
    add_matrix(prefix + "experts.down_proj", {experts, hidden, width});
    add_norm(prefix + "post_feedforward_layernorm_1.weight", hidden);
    add_norm(prefix + "pre_feedforward_layernorm_2.weight", hidden);
    add_norm(prefix + "post_feedforward_layernorm_2.weight", hidden);
  }

  void add_per_layer_input(const std::string& prefix) {
    const size_t hidden = config_.hidden_size, width = config_.ple_width;
    add_matrix(prefix + "per_layer_input_gate.weight", {width, hidden});
    add_matrix(prefix + "per_layer_projection.weight", {hidden, width});
    add_norm(prefix + "post_per_layer_input_norm.weight", hidden);
  }

  const ModelConfig& config_;
  uint64_t seed_;
  std::vector<Tensor> tensors_;
};

}  // namespace

SyntheticSource::SyntheticSource(const ModelConfig& config, uint64_t seed) {
  std::vector<Tensor> all = Inventory(config, seed).list();
  std::sort(all.begin(), all.end(),
            [](const Tensor& a, const Tensor& b) { return a.info.name < b.info.name; });
  for (Tensor& tensor : all) {
    tensors_.push_back(std::move(tensor.info));
    streams_.push_back(tensor.stream);
  }
}

Result<void> SyntheticSource::read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                                        std::span<std::byte> out) const {
  const TensorInfo* own = find(tensor.name);
  if (own == nullptr) {
    return fail(ErrorCode::kInternal, tensor.name, "no tensor of this synthetic checkpoint");
  }
  if (row0 > row1 || row1 > own->rows()) {
    return fail(ErrorCode::kInternal, own->name,
                fmt::format("expected rows within 0 and {}, found {} to {}", own->rows(), row0, row1));
  }
  const size_t bytes = (row1 - row0) * own->row_bytes();
  if (out.size() != bytes) {
    return fail(ErrorCode::kInternal, own->name,
                fmt::format("expected room for {} bytes, found {}", bytes, out.size()));
  }
  fill_random_bf16(streams_[static_cast<size_t>(own - tensors_.data())], uint64_t{row0} * own->columns(),
                   out);
  return {};
}

Result<void> SyntheticSource::read_row_start(const TensorInfo& tensor, size_t row,
                                             std::span<std::byte> out) const {
  const TensorInfo* own = find(tensor.name);
  if (own == nullptr || row >= own->rows() || out.size() > own->row_bytes()) {
    return fail(ErrorCode::kInternal, tensor.name,
                fmt::format("no row {} with {} bytes in this synthetic checkpoint", row, out.size()));
  }
  fill_random_bf16(streams_[static_cast<size_t>(own - tensors_.data())], uint64_t{row} * own->columns(), out);
  return {};
}

std::span<const std::byte> SyntheticSource::mapped(const TensorInfo&) const {
  return {};
}

}  // namespace gemma
