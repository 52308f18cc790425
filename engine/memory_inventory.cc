#include "engine/memory_inventory.h"

namespace gemma {
namespace {

// Weights of one class and layer (or none) on their way into the list.
class WeightList {
 public:
  explicit WeightList(std::vector<MemoryRange>& ranges) : ranges_(ranges) {}

  void layer(std::optional<size_t> index) { layer_ = index; }
  void add(const std::vector<float>& values) {
    add(TensorClass::kFloat, values.data(), values.capacity() * sizeof(float), false);
  }
  void add(TensorClass tensor_class, const Matrix& matrix) {
    const Buffer* memory = matrix.memory();
    if (memory == nullptr) {
      add(tensor_class, matrix.view().data, matrix.mapped_bytes(), true);
    } else if (memory != last_) {  // experts of a tensor follow each other and share one block
      add(tensor_class, memory->data(), memory->bytes(), false);
    }
    last_ = memory;
  }

 private:
  void add(TensorClass tensor_class, const void* begin, size_t bytes, bool mapped) {
    if (bytes > 0) ranges_.push_back({MemoryPart::kWeights, tensor_class, layer_, begin, bytes, mapped});
  }

  std::vector<MemoryRange>& ranges_;
  std::optional<size_t> layer_;
  const Buffer* last_ = nullptr;
};

void list_weights(const Weights& weights, std::vector<MemoryRange>& ranges) {
  WeightList list(ranges);
  if (weights.head_matrix) list.add(TensorClass::kHead, *weights.head_matrix);
  // One matrix that serves as both is the head's, as in the schemes.
  const TensorClass embed = weights.head_matrix ? TensorClass::kEmbed : TensorClass::kHead;
  if (weights.embed_matrix) list.add(embed, *weights.embed_matrix);
  list.add(TensorClass::kPleModel, weights.ple_model_projection);
  list.add(weights.ple_projection_norm);
  list.add(weights.final_norm);
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& w = weights.layers[i];
    list.layer(i);
    for (const Matrix* matrix : {&w.q, &w.k, &w.v, &w.o}) list.add(TensorClass::kAttention, *matrix);
    for (const Matrix* matrix : {&w.gate, &w.up, &w.down}) list.add(TensorClass::kMlp, *matrix);
    for (const Matrix* matrix : {&w.ple_gate, &w.ple_projection}) list.add(TensorClass::kPleGate, *matrix);
    for (const std::vector<Matrix>* experts : {&w.expert_gate_up, &w.expert_down}) {
      for (const Matrix& matrix : *experts) list.add(TensorClass::kExperts, matrix);
    }
    list.add(TensorClass::kFloat, w.router);
    for (const std::vector<float>* values :
         {&w.input_norm, &w.post_attention_norm, &w.pre_feedforward_norm, &w.post_feedforward_norm, &w.q_norm,
          &w.k_norm, &w.post_ple_norm, &w.post_feedforward_norm_1, &w.pre_feedforward_norm_2,
          &w.post_feedforward_norm_2, &w.router_scale, &w.per_expert_scale}) {
      list.add(*values);
    }
  }
}

}  // namespace

std::string_view to_string(MemoryPart part) {
  switch (part) {
    case MemoryPart::kWeights:
      return "weights";
    case MemoryPart::kKvSliding:
      return "kv_sliding";
    case MemoryPart::kKvFull:
      return "kv_full";
    case MemoryPart::kActivations:
      return "activations";
    case MemoryPart::kScratch:
      return "scratch";
    case MemoryPart::kLogits:
      return "logits";
    case MemoryPart::kTokenizer:
      return "tokenizer";
    case MemoryPart::kObjects:
      return "objects";
    case MemoryPart::kAllocator:
      return "allocator";
    case MemoryPart::kFileRest:
      return "file_rest";
    case MemoryPart::kCode:
      return "code";
    case MemoryPart::kStacks:
      return "stacks";
  }
  return "?";
}

std::vector<MemoryRange> list_memory(const Model& model, const Session* session) {
  std::vector<MemoryRange> ranges;
  if (const Weights* weights = model.loaded_weights()) list_weights(*weights, ranges);
  if (const Tokenizer* tokenizer = model.tokenizer()) {
    tokenizer->list_memory([&](const void* begin, size_t bytes) {
      ranges.push_back({.part = MemoryPart::kTokenizer, .begin = begin, .bytes = bytes});
    });
  }
  if (session != nullptr) session->list_memory(ranges);
  return ranges;
}

}  // namespace gemma
