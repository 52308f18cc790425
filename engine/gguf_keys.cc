#include "engine/gguf_keys.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "loader/gguf_tokenizer.h"
#include "loader/tokenizer_vocabulary.h"

namespace gemma {
namespace {

// What general.file_type calls a mix, and general.quantization_version: numbers of llama.cpp.
constexpr uint32_t kFileTypeF16 = 1, kFileTypeQ4_0 = 2, kFileTypeQ8_0 = 7;
constexpr uint32_t kQuantizationVersion = 2;
constexpr float kScore = -1000.0f;  // of every piece: BPE goes by merges
constexpr float kStopped = 1e30f;

uint32_t narrow(size_t value) {
  return static_cast<uint32_t>(value);  // sizes of a config are at most 2^31
}

const LayerConfig* first_layer(const ModelConfig& config, bool full) {
  const auto found = std::find_if(config.layers.begin(), config.layers.end(),
                                  [&](const LayerConfig& layer) { return layer.full_attention == full; });
  return found == config.layers.end() ? nullptr : &*found;
}

// One number if it is the same for all layers, else one for each.
template <typename Member>
void add_each(GgufWriter& writer, std::string_view key, const ModelConfig& config, Member member) {
  std::vector<uint32_t> values;
  for (const LayerConfig& layer : config.layers) values.push_back(narrow(layer.*member));
  const bool one = std::all_of(values.begin(), values.end(), [&](uint32_t v) { return v == values[0]; });
  one ? writer.add_u32(key, values[0]) : writer.add_u32s(key, values);
}

Result<void> check_describable(const ModelConfig& config) {
  const auto refuse = [](std::string what) {
    return fail(ErrorCode::kUnsupported, "GGUF export", std::move(what), "keep this model as safetensors");
  };
  for (const LayerConfig& layer : config.layers) {
    if (layer.head_dim != first_layer(config, layer.full_attention)->head_dim) {
      return refuse("GGUF has one head width for full and one for sliding layers, this model has more");
    }
  }
  if (config.full_rope.factor != 1.0 || config.sliding_rope.factor != 1.0) {
    return refuse("GGUF cannot say that the model's rotation frequencies are divided by a factor");
  }
  return {};
}

void add_model(const ModelConfig& config, GgufWriter& writer) {
  const auto key = [](std::string_view name) { return std::string("gemma4.").append(name); };
  const LayerConfig* full = first_layer(config, true);
  const LayerConfig* sliding = first_layer(config, false);
  if (full == nullptr) full = sliding;
  if (sliding == nullptr) sliding = full;
  writer.add_u32(key("block_count"), narrow(config.layers.size()));
  writer.add_u32(key("context_length"), narrow(config.max_positions));
  writer.add_u32(key("embedding_length"), narrow(config.hidden_size));
  add_each(writer, key("feed_forward_length"), config, &LayerConfig::intermediate_size);
  writer.add_u32(key("attention.head_count"), narrow(config.heads));
  add_each(writer, key("attention.head_count_kv"), config, &LayerConfig::kv_heads);
  writer.add_f32(key("attention.layer_norm_rms_epsilon"), static_cast<float>(config.rms_norm_eps));
  for (const char* what : {"attention.key_length", "attention.value_length", "rope.dimension_count"}) {
    writer.add_u32(key(what), narrow(full->head_dim));
    writer.add_u32(key(what) + "_swa", narrow(sliding->head_dim));
  }
  writer.add_u32(key("attention.sliding_window"), narrow(config.sliding_window));
  std::vector<bool> pattern;
  uint32_t shared = 0;
  for (const LayerConfig& layer : config.layers) {
    pattern.push_back(!layer.full_attention);
    shared += layer.owns_kv ? 0 : 1;
  }
  writer.add_bools(key("attention.sliding_window_pattern"), pattern);
  writer.add_u32(key("attention.shared_kv_layers"), shared);
  writer.add_u32(key("embedding_length_per_layer_input"), narrow(config.ple_width));
  writer.add_f32(key("rope.freq_base"), static_cast<float>(config.full_rope.theta));
  writer.add_f32(key("rope.freq_base_swa"), static_cast<float>(config.sliding_rope.theta));
  if (config.final_softcap > 0) {
    writer.add_f32(key("final_logit_softcapping"), static_cast<float>(config.final_softcap));
  }
  if (config.experts > 0) {
    writer.add_u32(key("expert_count"), narrow(config.experts));
    writer.add_u32(key("expert_used_count"), narrow(config.experts_per_token));
    writer.add_u32(key("expert_feed_forward_length"), narrow(config.expert_width));
  }
}

// Type of a piece that is an added token. The seven marks that a program must see to read tool calls and
// thoughts are user-defined, because others do not print control tokens.
int32_t added_type(std::string_view piece, bool special) {
  static const std::set<std::string_view> kVisible = {"<|channel>",   "<channel|>",       "<|tool_call>",
                                                      "<tool_call|>", "<|tool_response>", "<tool_response|>",
                                                      "<|\"|>"};
  return special && !kVisible.contains(piece) ? kGgufControl : kGgufUserDefined;
}

void add_tokenizer(const GgufContent& content, GgufWriter& writer) {
  TokenizerParts parts = content.tokenizer->parts();
  const size_t vocabulary = content.config->vocab_size;
  parts.pieces.resize(vocabulary);
  std::vector<int32_t> types(vocabulary, kGgufNormal);
  for (size_t id = 0; id < vocabulary; ++id) {
    if (parts.pieces[id].empty()) {  // a hole, or a row of the model's table beyond the tokenizer
      parts.pieces[id] = fmt::format("[PAD{}]", id);
      types[id] = kGgufUnused;
    } else if (piece_byte(parts.pieces[id])) {
      types[id] = kGgufByte;
    }
  }
  for (const TokenizerParts::Added& added : parts.added) {
    types[static_cast<size_t>(added.id)] = added_type(added.content, added.special);
  }
  std::vector<std::string> merges;
  merges.reserve(parts.merges.size());
  for (const auto& [left, right] : parts.merges) merges.push_back(left + " " + right);

  const auto key = [](std::string_view name) { return std::string("tokenizer.ggml.").append(name); };
  writer.add_string(key("model"), "gemma4");
  writer.add_strings(key("tokens"), std::vector<std::string_view>(parts.pieces.begin(), parts.pieces.end()));
  writer.add_f32s(key("scores"), std::vector<float>(vocabulary, kScore));
  writer.add_i32s(key("token_type"), types);
  writer.add_strings(key("merges"), std::vector<std::string_view>(merges.begin(), merges.end()));

  const GenerationConfig& generation = *content.generation;
  const std::vector<int32_t>& ends =
      generation.eos_ids.empty() ? content.config->eos_ids : generation.eos_ids;
  constexpr const char* kEnds[] = {"eos_token_id", "eot_token_id", "eom_token_id"};
  for (size_t i = 0; i < std::min(ends.size(), std::size(kEnds)); ++i) {
    writer.add_u32(key(kEnds[i]), static_cast<uint32_t>(ends[i]));
  }
  writer.add_u32(key("bos_token_id"),
                 static_cast<uint32_t>(generation.bos_id.value_or(content.config->bos_id)));
  writer.add_u32(key("padding_token_id"),
                 static_cast<uint32_t>(generation.pad_id.value_or(content.config->pad_id)));
  if (const std::optional<int32_t> unknown = content.tokenizer->id_of("<unk>")) {
    writer.add_u32(key("unknown_token_id"), static_cast<uint32_t>(*unknown));
  }
  writer.add_bool(key("add_space_prefix"), false);
  writer.add_bool(key("add_bos_token"), true);
  if (!generation.suppress_ids.empty()) writer.add_i32s(key("suppress_tokens"), generation.suppress_ids);
  if (!content.chat_template.empty()) writer.add_string("tokenizer.chat_template", content.chat_template);
}

void add_sampling(const GenerationConfig& generation, GgufWriter& writer) {
  const auto number = [&](std::string_view name, const std::optional<double>& value) {
    if (value) writer.add_f32(std::string("general.sampling.").append(name), static_cast<float>(*value));
  };
  number("temp", generation.temperature);
  number("top_p", generation.top_p);
  number("min_p", generation.min_p);
  number("penalty_repeat", generation.repetition_penalty);
  if (generation.top_k) writer.add_u32("general.sampling.top_k", static_cast<uint32_t>(*generation.top_k));
}

}  // namespace

Result<void> add_gguf_keys(const GgufContent& content, GgufTensorType type, GgufWriter& writer) {
  if (auto describable = check_describable(*content.config); !describable) return describable;
  writer.add_string("general.architecture", "gemma4");
  writer.add_string("general.type", "model");
  writer.add_string("general.name", content.name);
  writer.add_u32("general.file_type", type == GgufTensorType::kQ4_0   ? kFileTypeQ4_0
                                      : type == GgufTensorType::kQ8_0 ? kFileTypeQ8_0
                                                                      : kFileTypeF16);
  writer.add_u32("general.quantization_version", kQuantizationVersion);
  add_sampling(*content.generation, writer);
  add_model(*content.config, writer);
  add_tokenizer(content, writer);
  return {};
}

std::vector<float> gguf_rope_freqs(const ModelConfig& config) {
  const LayerConfig* full = first_layer(config, true);
  if (full == nullptr) return {};
  const size_t pairs = full->head_dim / 2;
  const double share = config.full_rope.proportional ? config.full_rope.partial_rotary_factor : 1.0;
  const auto turning = static_cast<size_t>(std::floor(share * static_cast<double>(full->head_dim) / 2));
  std::vector<float> divisors(pairs, kStopped);
  std::fill_n(divisors.begin(), std::min(turning, pairs), 1.0f);
  return divisors;
}

}  // namespace gemma
