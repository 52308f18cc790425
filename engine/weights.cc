#include "engine/weights.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <map>

#include <fmt/format.h>

#include "engine/group_fit.h"
#include "engine/static_matrix.h"
#include "engine/weight_plan.h"
#include "kernels/pack.h"
#include "kernels/quantize.h"

namespace gemma {
namespace {

// Elements of all matrices that will be built: everything two-dimensional but the per-layer table.
uint64_t matrix_elements(const ModelConfig& config) {
  uint64_t total = 0;
  for (const PlannedTensor& planned : plan_tensors(config)) {
    if (!planned.required || planned.shape.size() < 2 || planned.tensor_class == TensorClass::kPle) continue;
    uint64_t elements = 1;
    for (size_t extent : planned.shape) elements *= extent;
    total += elements;
  }
  return total;
}

// Whether two tensors hold the same bytes.
Result<bool> same_values(const TensorSource& source, const TensorInfo& a, const TensorInfo& b,
                         const ThreadTeam& team) {
  if (a.dtype != b.dtype || a.shape != b.shape || a.encoding != b.encoding) return false;
  if (a.encoding == Encoding::kPanels) return std::ranges::equal(source.mapped(a), source.mapped(b));
  const Progress silent;
  std::atomic<bool> same{true};
  Result<void> read = MatrixBuilder(Scheme(), source, team, 0, silent)
                          .over_rows(a.rows(), a.columns(), [&](size_t row0, size_t rows) -> Result<void> {
                            if (!same) return {};
                            std::vector<std::byte> left(rows * a.row_bytes()), right(left.size());
                            Result<void> ok = source.read_rows(a, row0, row0 + rows, left);
                            if (ok) ok = source.read_rows(b, row0, row0 + rows, right);
                            if (ok && left != right) same = false;
                            return ok;
                          });
  if (!read) return fail(std::move(read.error()));
  return same.load();
}

class Builder {
 public:
  Builder(const ModelConfig& config, const Scheme& scheme, const TensorSource& source, Placement placement,
          const ThreadTeam& team, const Progress& progress)
      : config_(config),
        scheme_(scheme),
        source_(source),
        placement_(placement),
        team_(team),
        matrices_(scheme, source, team, matrix_elements(config), progress) {}

  Result<std::unique_ptr<Weights>> build();

 private:
  Result<void> reserve();
  Result<Matrix> named_matrix(const std::string& name, TensorClass tensor_class);
  Result<void> layer(size_t index, LayerWeights& weights);
  Result<void> embedding_and_head(Weights& weights);
  Result<void> per_layer_embeddings(Weights& weights);

  const ModelConfig& config_;
  const Scheme& scheme_;
  const TensorSource& source_;
  Placement placement_;
  const ThreadTeam& team_;
  MatrixBuilder matrices_;
};

Result<Matrix> Builder::named_matrix(const std::string& name, TensorClass tensor_class) {
  const TensorInfo* tensor = source_.find(name);
  if (tensor == nullptr) return fail(ErrorCode::kMismatch, name, "the tensor is not in the checkpoint");
  return matrices_.matrix(*tensor, tensor_class, 0, tensor->rows());
}

Result<void> Builder::reserve() {
  uint64_t bytes = 0, blocks = 0;
  Result<std::vector<PlannedWeight>> plan = plan_weights(config_, scheme_, source_, placement_);
  if (!plan) return fail(std::move(plan.error()));
  for (const PlannedWeight& planned : *plan) {
    bytes += planned.owned_bytes;
    blocks += planned.blocks;
  }
  Result<void> room = check_memory(bytes, "weights as " + to_string(scheme_));
  if (!room) return room;
  Result<WeightMemory> memory = WeightMemory::reserve(WeightMemory::room_for(bytes, blocks));
  if (!memory) return fail(std::move(memory.error()));
  matrices_.place_in(std::move(*memory), placement_);
  return {};
}

Result<void> Builder::embedding_and_head(Weights& weights) {
  const TensorInfo* embed = source_.find("embed_tokens.weight");
  const TensorInfo* head = source_.find("lm_head.weight");
  Result<bool> apart = head_is_apart(config_, source_, team_);
  if (!apart) return fail(std::move(apart.error()));
  if (!*apart) head = nullptr;
  Result<StoredTensor> stored = StoredTensor::open(source_, *embed);
  if (!stored) return fail(std::move(stored.error()));
  const ClassScheme embed_scheme = scheme_.of(TensorClass::kEmbed);
  // A row of levels is a few hundred bytes: it is read where it is wanted, and the table takes no memory.
  const bool in_file = is_static(embed_scheme, *stored);
  const bool one = !in_file && head == nullptr && embed_scheme == scheme_.of(TensorClass::kHead);
  if (in_file) {
    TensorReport& told = matrices_.report(*embed, TensorClass::kEmbed, embed_scheme);
    told.elements = embed->elements();
    told.kept = true;
    weights.embedding = Embedding(std::move(*stored));
  } else {
    Result<Matrix> embed_matrix =
        matrices_.matrix(*embed, one ? TensorClass::kHead : TensorClass::kEmbed, 0, embed->rows());
    if (!embed_matrix) return fail(std::move(embed_matrix.error()));
    weights.embed_matrix = std::make_unique<Matrix>(std::move(*embed_matrix));
    weights.embedding = Embedding(weights.embed_matrix.get());
  }
  if (!one) {
    const TensorInfo& source = head != nullptr ? *head : *embed;
    Result<Matrix> head_matrix = matrices_.matrix(source, TensorClass::kHead, 0, source.rows());
    if (!head_matrix) return fail(std::move(head_matrix.error()));
    weights.head_matrix = std::make_unique<Matrix>(std::move(*head_matrix));
  }
  weights.head = Head(one ? weights.embed_matrix.get() : weights.head_matrix.get());
  // Rounded to the type the model computes in: that of its float weights, or the one that config.json names
  // where they are levels, or F16, to which GGUF's converters bring bfloat16 models.
  const bool plain = embed->encoding == Encoding::kPlain;
  const bool named = !plain || embed->dtype == Dtype::kF16;
  const bool bf16 = named ? config_.dtype == "bfloat16" : embed->dtype == Dtype::kBf16;
  const bool f16 = named && config_.dtype == "float16";
  const auto rounded_root = [&](size_t width) {
    const float root = static_cast<float>(std::sqrt(static_cast<double>(width)));
    if (bf16) return kernels::from_bf16(kernels::to_bf16(root));
    return f16 ? kernels::from_f16(kernels::to_f16(root)) : root;
  };
  weights.embedding_scale = rounded_root(config_.hidden_size);
  weights.ple_scale = rounded_root(config_.ple_width);
  return {};
}

Result<void> Builder::per_layer_embeddings(Weights& weights) {
  const TensorInfo* table = source_.find("embed_tokens_per_layer.weight");
  Result<StoredTensor> stored = StoredTensor::open(source_, *table);
  if (!stored) return fail(std::move(stored.error()));
  ClassScheme scheme = resolve(scheme_.of(TensorClass::kPle), *stored);
  // A row of the table is as many "channels" as there are layers.
  TensorReport& told = matrices_.report(*table, TensorClass::kPle, scheme);
  told.elements = table->elements();
  told.kept =
      keeps_levels(scheme, *stored) || is_static(scheme, *stored) ||
      (scheme.granularity == Granularity::kChannel && !scheme.weight_zero_point && stored->in_levels() &&
       stored->bits() == scheme.weight_bits && stored->group() == config_.ple_width);
  Result<WeightQuantizer> quantizer = WeightQuantizer();
  if (!told.kept) quantizer = matrices_.quantizer(*stored, scheme, config_.ple_width);
  if (!quantizer) return fail(std::move(quantizer.error()));
  told.on_grid = quantizer->on_grid();
  weights.ple_table = PleTable(std::move(*stored), *quantizer);
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
  Result<KvScales> kv_scales = read_kv_scales(source_, index);
  if (!kv_scales) return fail(std::move(kv_scales.error()));
  w.kv_scales = *kv_scales;

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
    Result<std::vector<Matrix>> built = matrices_.matrices(tensor, TensorClass::kExperts, config_.experts);
    if (!built) return fail(std::move(built.error()));
    *to = std::move(*built);
  }
  return {};
}

Result<std::unique_ptr<Weights>> Builder::build() {
  Result<void> ready = check_groups(config_, scheme_);
  if (ready) ready = reserve();
  if (!ready) return fail(std::move(ready.error()));
  auto weights = std::make_unique<Weights>();
  Result<void> done = embedding_and_head(*weights);
  if (done && config_.ple_width > 0) done = per_layer_embeddings(*weights);
  weights->layers.resize(config_.layers.size());
  for (size_t i = 0; i < config_.layers.size() && done; ++i) done = layer(i, weights->layers[i]);
  if (!done) return fail(std::move(done.error()));
  Result<std::vector<float>> norm = read_floats(source_, *source_.find("norm.weight"));
  if (!norm) return fail(std::move(norm.error()));
  weights->final_norm = std::move(*norm);
  weights->reports = matrices_.take_reports();
  matrices_.memory().trim();
  return weights;
}

}  // namespace

Result<bool> head_is_apart(const ModelConfig& config, const TensorSource& source, const ThreadTeam& team) {
  const TensorInfo* embed = source.find("embed_tokens.weight");
  const TensorInfo* head = source.find("lm_head.weight");
  if (head == nullptr || embed == nullptr) return false;
  if (!config.tied) return true;
  Result<bool> same = same_values(source, *embed, *head, team);
  if (!same) return same;
  return !*same;
}

Result<void> Embedding::row(size_t id, StoredTensor::Scratch& scratch, float* out) const {
  if (matrix_ == nullptr) return tensor_.floats(id, 1, scratch, out);
  kernels::dequantize_row(matrix_->view(), id, out);
  return {};
}

Result<void> PleTable::row(size_t id, StoredTensor::Scratch& scratch, std::span<float> out) const {
  Result<void> read = tensor_.floats(id, 1, scratch, out.data());
  if (!read) return read;
  quantizer_.fake(out, scratch.levels, scratch.scales);
  return {};
}

Result<std::unique_ptr<Weights>> build_weights(const ModelConfig& config, const Scheme& scheme,
                                               const TensorSource& source, Placement placement,
                                               const ThreadTeam& team, const Progress& progress) {
  return Builder(config, scheme, source, placement, team, progress).build();
}

}  // namespace gemma
