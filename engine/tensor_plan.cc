#include "engine/tensor_plan.h"

#include "engine/activation_scales.h"
#include "engine/static_matrix.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gemma {
namespace {

constexpr size_t kListed = 40;
constexpr size_t kMostColumns = 131071;  // that the integer kernels' 32-bit sums hold (kernel_table.h)

// Lines of one kind of complaint, the first kListed of them in full.
class Complaints {
 public:
  explicit Complaints(std::string title) : title_(std::move(title)) {}
  void add(const std::string& line) {
    if (++count_ <= kListed) lines_ += "\n    " + line;
  }
  std::string text() const {
    if (count_ == 0) return {};
    std::string more = count_ > kListed ? fmt::format("\n    and {} more", count_ - kListed) : "";
    return fmt::format("\n  {} {}:{}{}", count_, title_, lines_, more);
  }

 private:
  std::string title_, lines_;
  size_t count_ = 0;
};

std::string shape_text(const std::vector<size_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// What the quantized matrix of the same name brings along: its scales and those of its activations.
bool goes_with_a_matrix(const TensorSource& source, std::string_view name) {
  if (name.ends_with(".k_cache_scale") || name.ends_with(".v_cache_scale")) return true;
  // Static scales, which calibration gives to floats as well.
  if (const std::string module(calibrated_module(name)); !module.empty()) {
    return source.find(module) != nullptr || source.find(module + ".weight") != nullptr;
  }
  // Folders that were packed until November 2026 hold sums of rows, which nobody reads.
  constexpr std::string_view kScale = "_scale", kSums = "_zero_sum";
  const std::string_view ending = name.ends_with(kSums) ? kSums : kScale;
  if (!name.ends_with(ending)) return false;
  const std::string matrix(name.substr(0, name.size() - ending.size()));
  for (const std::string& spelled : {matrix, matrix + ".weight"}) {
    const TensorInfo* found = source.find(spelled);
    if (found != nullptr && found->encoding != Encoding::kPlain) return true;
  }
  return false;
}

}  // namespace

std::vector<PlannedTensor> plan_tensors(const ModelConfig& c) {
  std::vector<PlannedTensor> plan;
  const auto add = [&](std::string name, std::vector<size_t> shape,
                       TensorClass tensor_class = TensorClass::kFloat, bool required = true) {
    plan.push_back({std::move(name), std::move(shape), tensor_class, required});
  };
  const size_t d = c.hidden_size;
  const size_t ple_total = c.layers.size() * c.ple_width;

  add("embed_tokens.weight", {c.vocab_size, d}, TensorClass::kEmbed);
  add("norm.weight", {d});
  add("lm_head.weight", {c.vocab_size, d}, TensorClass::kHead, !c.tied);
  if (c.ple_width > 0) {
    add("embed_tokens_per_layer.weight", {c.ple_vocab_size, ple_total}, TensorClass::kPle);
    add("per_layer_model_projection.weight", {ple_total, d}, TensorClass::kPleModel);
    add("per_layer_projection_norm.weight", {c.ple_width});
  }
  for (size_t i = 0; i < c.layers.size(); ++i) {
    const LayerConfig& layer = c.layers[i];
    const std::string prefix = fmt::format("layers.{}.", i);
    const size_t q_width = c.heads * layer.head_dim;
    const size_t kv_width = layer.kv_heads * layer.head_dim;
    const auto norm = [&](const char* name, size_t width, bool required = true) {
      add(prefix + name + ".weight", {width}, TensorClass::kFloat, required);
    };
    const auto matrix = [&](const char* name, size_t rows, size_t cols, TensorClass tensor_class,
                            bool required = true) {
      add(prefix + name + ".weight", {rows, cols}, tensor_class, required);
    };
    norm("input_layernorm", d);
    norm("post_attention_layernorm", d);
    norm("pre_feedforward_layernorm", d);
    norm("post_feedforward_layernorm", d);
    matrix("self_attn.q_proj", q_width, d, TensorClass::kAttention);
    matrix("self_attn.o_proj", d, q_width, TensorClass::kAttention);
    norm("self_attn.q_norm", layer.head_dim);
    matrix("self_attn.k_proj", kv_width, d, TensorClass::kAttention, layer.owns_kv);
    norm("self_attn.k_norm", layer.head_dim, layer.owns_kv);
    matrix("self_attn.v_proj", kv_width, d, TensorClass::kAttention, layer.owns_kv && !layer.k_eq_v);
    matrix("mlp.gate_proj", layer.intermediate_size, d, TensorClass::kMlp);
    matrix("mlp.up_proj", layer.intermediate_size, d, TensorClass::kMlp);
    matrix("mlp.down_proj", d, layer.intermediate_size, TensorClass::kMlp);
    add(prefix + "layer_scalar", {1});
    if (c.ple_width > 0) {
      matrix("per_layer_input_gate", c.ple_width, d, TensorClass::kPleGate);
      matrix("per_layer_projection", d, c.ple_width, TensorClass::kPleGate);
      norm("post_per_layer_input_norm", d);
    }
    if (c.experts > 0) {
      add(prefix + "router.proj.weight", {c.experts, d});
      add(prefix + "router.scale", {d});
      add(prefix + "router.per_expert_scale", {c.experts});
      add(prefix + "experts.gate_up_proj", {c.experts, 2 * c.expert_width, d}, TensorClass::kExperts);
      add(prefix + "experts.down_proj", {c.experts, d, c.expert_width}, TensorClass::kExperts);
      norm("post_feedforward_layernorm_1", d);
      norm("pre_feedforward_layernorm_2", d);
      norm("post_feedforward_layernorm_2", d);
    }
  }
  return plan;
}

Result<void> check_tensors(const ModelConfig& config, const TensorSource& source, const std::string& where) {
  const std::vector<PlannedTensor> plan = plan_tensors(config);
  std::map<std::string_view, const PlannedTensor*> by_name;
  for (const PlannedTensor& planned : plan) by_name[planned.name] = &planned;

  Complaints missing("missing"), surplus("not part of this model"),
      shapes("of another shape than config.json says");
  Complaints types("of a type that is not F32, F16 or BF16");
  Complaints wide(fmt::format("of more than the {} columns that can be multiplied", kMostColumns));
  for (const PlannedTensor& planned : plan) {
    // The per-layer table is looked up, not multiplied.
    const bool multiplied = planned.shape.size() > 1 && planned.tensor_class != TensorClass::kPle;
    if (multiplied && planned.shape.back() > kMostColumns) {
      wide.add(fmt::format("{}: {}", planned.name, planned.shape.back()));
    }
  }
  if (const std::string text = wide.text(); !text.empty()) {
    return fail(ErrorCode::kUnsupported, where, "it has tensors" + text);
  }
  for (const PlannedTensor& planned : plan) {
    if (planned.required && source.find(planned.name) == nullptr) {
      missing.add(fmt::format("{}: expected {}", planned.name, shape_text(planned.shape)));
    }
  }
  for (const TensorInfo& tensor : source.tensors()) {
    const auto it = by_name.find(tensor.name);
    if (it == by_name.end() && goes_with_a_matrix(source, tensor.name)) continue;
    if (it == by_name.end()) {
      surplus.add(fmt::format("{}: found {} {}", tensor.stored_name, dtype_name(tensor.dtype),
                              shape_text(tensor.shape)));
      continue;
    }
    if (!it->second->required && tensor.name != "lm_head.weight") continue;
    if (tensor.shape != it->second->shape) {
      shapes.add(fmt::format("{}: expected {}, found {}", tensor.stored_name, shape_text(it->second->shape),
                             shape_text(tensor.shape)));
    }
    if (tensor.encoding != Encoding::kPlain && it->second->tensor_class != TensorClass::kFloat) continue;
    if (tensor.dtype != Dtype::kF32 && tensor.dtype != Dtype::kF16 && tensor.dtype != Dtype::kBf16) {
      types.add(fmt::format("{}: found {}", tensor.stored_name, dtype_name(tensor.dtype)));
    }
  }
  const std::string text = missing.text() + shapes.text() + types.text() + surplus.text();
  if (text.empty()) return {};
  return fail(ErrorCode::kMismatch, where, "the tensors do not fit config.json:" + text,
              "config.json and the safetensors files must come from the same export");
}

}  // namespace gemma
