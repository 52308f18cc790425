// config.json of a Gemma 4 checkpoint, resolved: every per-layer question (head dim, KV heads, MLP width, who
// owns a KV cache) is answered once, here. Nested (`text_config`) and flat files, the old spelling
// (`global_head_dim`, `num_global_key_value_heads`) and the new (`per_layer_config`) give the same structure.
// Sources: gemma4.md 1.1 in the design notes; field names are those of Hugging Face transformers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "loader/result.h"

namespace gemma {

// What a checkpoint says of its own quantization (`quantization_config`), unresolved.
struct QuantizationConfig {
  std::string method;  // "compressed-tensors", "gemma", ...; empty: none declared
  std::string format;  // "pack-quantized", ...
  bool operator==(const QuantizationConfig&) const = default;
};

struct LayerConfig {
  bool full_attention = false;  // else sliding
  size_t head_dim = 0;          // 256 sliding, 512 full on the published sizes
  size_t kv_heads = 0;
  size_t intermediate_size = 0;  // of the dense MLP; doubled on KV-shared layers of E2B
  bool owns_kv = true;           // false: reads the cache of layer kv_source
  size_t kv_source = 0;          // this layer's own index if it owns its KV
  bool k_eq_v = false;           // no v_proj: V is the raw K projection, normed without weight
  bool operator==(const LayerConfig&) const = default;
};

struct RopeConfig {
  double theta = 10000.0;
  bool proportional = false;  // full attention: only the first rotated_pairs of head_dim/2 pairs turn
  double partial_rotary_factor = 1.0;
  double factor = 1.0;  // divides the frequencies
  bool operator==(const RopeConfig&) const = default;
};

struct ModelConfig {
  std::string model_type;  // "gemma4", "gemma4_text", "gemma4_unified", ...
  std::string dtype;       // of the stored weights: "bfloat16", "float32", "float16"
  size_t vocab_size = 0;
  size_t hidden_size = 0;
  size_t heads = 0;           // query heads
  size_t sliding_window = 0;  // keys a sliding layer sees, the query's own included
  size_t max_positions = 0;
  double rms_norm_eps = 1e-6;
  double final_softcap = 0;  // 0: none
  bool tied = true;          // lm_head is embed_tokens
  RopeConfig sliding_rope;
  RopeConfig full_rope;
  std::vector<LayerConfig> layers;

  size_t ple_width = 0;  // hidden_size_per_layer_input; 0: no per-layer embeddings
  size_t ple_vocab_size = 0;

  size_t experts = 0;  // 0: dense
  size_t experts_per_token = 0;
  size_t expert_width = 0;  // moe_intermediate_size

  int32_t bos_id = 2;
  int32_t pad_id = 0;
  std::vector<int32_t> eos_ids;  // of config.json; generation_config.json has the last word
  QuantizationConfig quantization;

  size_t last_kv_owner() const;  // index of the last layer that owns a KV cache
  // Small models (E2B, E4B) are those with per-layer embeddings: their template has no closed thought
  // channel.
  bool small() const { return ple_width > 0; }
  bool operator==(const ModelConfig&) const = default;
};

// Lets the last `shared` layers (at most all) read the cache of the last layer of their type that still owns
// one. Returns what is wrong, nothing if all is well.
std::string share_kv(std::vector<LayerConfig>& layers, size_t shared);

// Parses the text of a config.json. `where` names it in errors. Refuses what the engine does not compute
// (attention biases, another activation, an attention soft-cap, a foreign model_type) and impossible values.
Result<ModelConfig> parse_config(std::string_view json, const std::string& where);
Result<ModelConfig> read_config(const std::string& path);

}  // namespace gemma
