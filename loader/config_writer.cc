#include "loader/config_writer.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gemma {
namespace {

using nlohmann::ordered_json;

ordered_json rope_json(const RopeConfig& rope) {
  ordered_json json = {{"rope_type", rope.proportional ? "proportional" : "default"},
                       {"rope_theta", rope.theta}};
  if (rope.proportional) {
    json["partial_rotary_factor"] = rope.partial_rotary_factor;
    json["factor"] = rope.factor;
  }
  return json;
}

std::string model_type_of(const ModelConfig& config) {
  return config.model_type.empty() ? "gemma4_text" : config.model_type;
}

}  // namespace

Result<std::string> config_json(const ModelConfig& config) {
  const auto shares = [](const LayerConfig& layer) { return !layer.owns_kv; };
  const size_t shared =
      static_cast<size_t>(std::count_if(config.layers.begin(), config.layers.end(), shares));
  const size_t width = config.layers.front().intermediate_size;
  const bool doubled = shared > 0 && config.layers.back().intermediate_size == 2 * width;

  ordered_json json;
  json["model_type"] = model_type_of(config);
  json["dtype"] = config.dtype;
  json["vocab_size"] = config.vocab_size;
  json["hidden_size"] = config.hidden_size;
  json["intermediate_size"] = width;
  json["use_double_wide_mlp"] = doubled;
  json["num_hidden_layers"] = config.layers.size();
  json["num_attention_heads"] = config.heads;
  json["num_key_value_heads"] = config.layers.front().kv_heads;
  json["head_dim"] = config.layers.front().head_dim;
  json["num_kv_shared_layers"] = shared;
  json["attention_k_eq_v"] = std::any_of(config.layers.begin(), config.layers.end(),
                                         [](const LayerConfig& layer) { return layer.k_eq_v; });
  json["sliding_window"] = config.sliding_window;
  json["max_position_embeddings"] = config.max_positions;
  json["rms_norm_eps"] = config.rms_norm_eps;
  json["final_logit_softcapping"] = config.final_softcap;
  json["tie_word_embeddings"] = config.tied;
  json["hidden_size_per_layer_input"] = config.ple_width;
  if (config.ple_width > 0) json["vocab_size_per_layer_input"] = config.ple_vocab_size;
  json["enable_moe_block"] = config.experts > 0;
  if (config.experts > 0) {
    json["num_experts"] = config.experts;
    json["top_k_experts"] = config.experts_per_token;
    json["moe_intermediate_size"] = config.expert_width;
  }
  json["bos_token_id"] = config.bos_id;
  json["pad_token_id"] = config.pad_id;
  json["eos_token_id"] = config.eos_ids;
  json["rope_parameters"] = {{"sliding_attention", rope_json(config.sliding_rope)},
                             {"full_attention", rope_json(config.full_rope)}};
  ordered_json types = ordered_json::array(), heads = ordered_json::object();
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig& layer = config.layers[i];
    types.push_back(layer.full_attention ? "full_attention" : "sliding_attention");
    heads[std::to_string(i)] = {{"head_dim", layer.head_dim}, {"num_key_value_heads", layer.kv_heads}};
  }
  json["layer_types"] = std::move(types);
  json["per_layer_config"] = std::move(heads);

  std::string text = json.dump(2) + "\n";
  ModelConfig expected = config;
  expected.model_type = model_type_of(config);
  expected.quantization = {};  // of the checkpoint it came from
  Result<ModelConfig> read = parse_config(text, "config.json");
  if (!read || !(*read == expected)) {
    return fail(ErrorCode::kUnsupported, "config.json",
                read ? "this model has layers that config.json has no words for" : read.error().message(),
                "keep the model in the format it has");
  }
  return text;
}

std::string generation_config_json(const GenerationConfig& generation) {
  ordered_json json = ordered_json::object();
  const auto set = [&json](const char* key, const auto& value) {
    if (value) json[key] = *value;
  };
  set("bos_token_id", generation.bos_id);
  set("pad_token_id", generation.pad_id);
  if (!generation.eos_ids.empty()) json["eos_token_id"] = generation.eos_ids;
  if (!generation.suppress_ids.empty()) json["suppress_tokens"] = generation.suppress_ids;
  set("do_sample", generation.do_sample);
  set("temperature", generation.temperature);
  set("top_k", generation.top_k);
  set("top_p", generation.top_p);
  set("min_p", generation.min_p);
  set("repetition_penalty", generation.repetition_penalty);
  return json.dump(2) + "\n";
}

}  // namespace gemma
