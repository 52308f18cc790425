#include "loader/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "loader/gguf_fields.h"
#include "loader/in_quotes.h"

namespace gemma {
namespace {

constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxSize = int64_t{1} << 31;

class ConfigReader {
 public:
  ConfigReader(const GgufCheckpoint& checkpoint, std::span<const float> rope_freqs, Problems& problems)
      : checkpoint_(checkpoint),
        rope_freqs_(rope_freqs),
        keys_(checkpoint.file(), "gemma4.", problems),
        ids_(checkpoint.file(), "tokenizer.ggml.", problems) {}

  ModelConfig read() {
    config_.model_type = "gemma4";
    read_sizes();
    read_tokens();
    read_experts();
    read_layers();
    read_kv_sharing();
    read_k_eq_v();
    read_rope();
    return std::move(config_);
  }

 private:
  void read_sizes() {
    config_.hidden_size = keys_.size("embedding_length");
    config_.max_positions = keys_.size("context_length");
    config_.sliding_window = keys_.size("attention.sliding_window");
    if (!keys_.has("attention.layer_norm_rms_epsilon")) keys_.missing("attention.layer_norm_rms_epsilon");
    config_.rms_norm_eps = keys_.number("attention.layer_norm_rms_epsilon", 1e-30, 1).value_or(1e-6);
    config_.final_softcap = keys_.number("final_logit_softcapping", 0, 1e6).value_or(0);
    if (keys_.number("attn_logit_softcapping", 0, 1e6).value_or(0) != 0) {
      keys_.unsupported("attn_logit_softcapping", "expected none");
    }
    config_.tied = checkpoint_.find("lm_head.weight") == nullptr;

    const TensorInfo* embed = checkpoint_.find("embed_tokens.weight");
    if (embed == nullptr) {
      keys_.invalid("vocab_size", "there is no token_embd.weight whose rows would say");
    } else {
      config_.vocab_size = embed->rows();
      // Every published Gemma 4 was trained in bfloat16; F16 and quantized files are conversions.
      const bool wide = embed->encoding == Encoding::kPlain && embed->dtype == Dtype::kF32;
      config_.dtype = wide ? "float32" : "bfloat16";
    }
    config_.ple_width =
        static_cast<size_t>(keys_.integer("embedding_length_per_layer_input", 0, kMaxSize).value_or(0));
    const TensorInfo* ple = checkpoint_.find("embed_tokens_per_layer.weight");
    if (config_.ple_width == 0) return;
    config_.ple_vocab_size = ple != nullptr ? ple->rows() : config_.vocab_size;
    if (config_.ple_vocab_size < config_.vocab_size) {
      keys_.unsupported(
          "embedding_length_per_layer_input",
          fmt::format("expected a row of per_layer_token_embd.weight for each of {} ids, found {}",
                      config_.vocab_size, config_.ple_vocab_size));
    }
  }

  void read_tokens() {
    const int64_t last = static_cast<int64_t>(std::max<size_t>(config_.vocab_size, 1)) - 1;
    config_.bos_id = static_cast<int32_t>(ids_.integer("bos_token_id", 0, last).value_or(2));
    config_.pad_id = static_cast<int32_t>(ids_.integer("padding_token_id", 0, last).value_or(0));
    config_.eos_ids = ids_.ids("eos_token_id");
    if (config_.eos_ids.empty()) config_.eos_ids = {1};
  }

  void read_experts() {
    config_.experts = static_cast<size_t>(keys_.integer("expert_count", 0, kMaxSize).value_or(0));
    if (config_.experts == 0) return;
    config_.experts_per_token = keys_.size("expert_used_count");
    config_.expert_width = keys_.size("expert_feed_forward_length");
    if (config_.experts_per_token > config_.experts) {
      keys_.invalid("expert_used_count", fmt::format("expected at most expert_count = {}, found {}",
                                                     config_.experts, config_.experts_per_token));
    }
  }

  void read_layers() {
    if (!keys_.has("block_count")) keys_.missing("block_count");
    const auto layers = static_cast<size_t>(keys_.integer("block_count", 1, kMaxLayers).value_or(1));
    config_.layers.resize(layers);
    const auto heads = keys_.each("attention.head_count", layers, 1, kMaxSize);
    const auto kv_heads = keys_.each("attention.head_count_kv", layers, 1, kMaxSize);
    const auto widths = keys_.each("feed_forward_length", layers, 1, kMaxSize);
    const auto sliding = keys_.each("attention.sliding_window_pattern", layers, 0, 1);
    const size_t full_dim = keys_.size("attention.key_length");
    const size_t sliding_dim =
        keys_.has("attention.key_length_swa") ? keys_.size("attention.key_length_swa") : full_dim;
    expect("attention.value_length", full_dim);
    expect("attention.value_length_swa", sliding_dim);
    config_.heads = static_cast<size_t>(heads[0]);
    for (size_t i = 0; i < layers; ++i) {
      LayerConfig& layer = config_.layers[i];
      layer.full_attention = sliding[i] == 0;
      layer.head_dim = layer.full_attention ? full_dim : sliding_dim;
      layer.kv_heads = static_cast<size_t>(kv_heads[i]);
      layer.intermediate_size = static_cast<size_t>(widths[i]);
      if (heads[i] != heads[0]) {
        keys_.unsupported(
            "attention.head_count",
            fmt::format("expected the same number for all layers, found {} and {}", heads[0], heads[i]));
        return;
      }
      if (heads[i] % kv_heads[i] != 0) {
        keys_.invalid(
            "attention.head_count_kv",
            fmt::format("expected a divisor of head_count = {}, found {} at {}", heads[i], kv_heads[i], i));
        return;
      }
      if (layer.head_dim % 2 != 0) {
        keys_.invalid(layer.full_attention ? "attention.key_length" : "attention.key_length_swa",
                      fmt::format("expected an even number, found {}", layer.head_dim));
        return;
      }
    }
  }

  // A key that may be there and may say only one thing.
  void expect(std::string_view key, size_t value) const {
    if (!keys_.has(key)) return;
    const auto found = keys_.integer(key, 1, kMaxSize);
    if (found && static_cast<size_t>(*found) != value) {
      keys_.unsupported(key, fmt::format("expected {}, found {}", value, *found));
    }
  }

  void read_kv_sharing() {
    const auto layers = static_cast<int64_t>(config_.layers.size());
    const auto shared =
        static_cast<size_t>(keys_.integer("attention.shared_kv_layers", 0, layers).value_or(0));
    const std::string problem = share_kv(config_.layers, shared);
    if (!problem.empty()) keys_.invalid("attention.shared_kv_layers", problem);
  }

  void read_k_eq_v() {
    for (size_t i = 0; i < config_.layers.size(); ++i) {
      LayerConfig& layer = config_.layers[i];
      if (!layer.full_attention || layer.kv_source > i) continue;
      layer.k_eq_v = layer.owns_kv
                         ? checkpoint_.find(fmt::format("layers.{}.self_attn.v_proj.weight", i)) == nullptr
                         : config_.layers[layer.kv_source].k_eq_v;
    }
  }

  void read_rope() {
    config_.full_rope.theta = keys_.number("rope.freq_base", 1, 1e12).value_or(1e6);
    config_.sliding_rope.theta = keys_.number("rope.freq_base_swa", 1, 1e12).value_or(1e4);
    if (keys_.has("rope.scaling.type") && keys_.string("rope.scaling.type") != "none") {
      keys_.unsupported(
          "rope.scaling.type",
          "expected none, found " + in_quotes(keys_.string("rope.scaling.type").value_or(""), 40));
    }
    for (const LayerConfig& layer : config_.layers) {
      expect(layer.full_attention ? "rope.dimension_count" : "rope.dimension_count_swa", layer.head_dim);
      if (layer.full_attention) return read_rope_freqs(layer.head_dim);
    }
  }

  // The first pairs of a head turn, the others have a divisor that stops them.
  void read_rope_freqs(size_t head_dim) {
    constexpr float kStopped = 1e20f;
    config_.full_rope.proportional = true;
    if (rope_freqs_.size() != head_dim / 2) {
      keys_.invalid("rope.dimension_count",
                    fmt::format("rope_freqs.weight: expected {} values, half a full layer's head, found {}",
                                head_dim / 2, rope_freqs_.size()));
      return;
    }
    size_t turning = 0;
    while (turning < rope_freqs_.size() && rope_freqs_[turning] == 1.0f) ++turning;
    const bool rest_stopped =
        std::all_of(rope_freqs_.begin() + static_cast<ptrdiff_t>(turning), rope_freqs_.end(),
                    [](float divisor) { return divisor >= kStopped; });
    if (turning == 0 || !rest_stopped) {
      keys_.unsupported("rope.dimension_count",
                        "rope_freqs.weight: expected ones followed by 1e30, found other divisors");
      return;
    }
    const auto half = static_cast<double>(head_dim) / 2;
    double share = static_cast<double>(turning) / half;
    // Whoever multiplies by half the head again must not lose a pair to rounding.
    while (static_cast<size_t>(share * half) < turning) share = std::nextafter(share, 2.0);
    config_.full_rope.partial_rotary_factor = share;
  }

  const GgufCheckpoint& checkpoint_;
  std::span<const float> rope_freqs_;
  GgufFields keys_;
  GgufFields ids_;
  ModelConfig config_;
};

}  // namespace

Result<ModelConfig> read_gguf_config(const GgufCheckpoint& checkpoint) {
  Result<std::vector<float>> rope_freqs = checkpoint.rope_freqs();
  if (!rope_freqs) return fail(rope_freqs.error());
  Problems problems;
  ModelConfig config = ConfigReader(checkpoint, *rope_freqs, problems).read();
  if (!problems.empty()) return problems.failure(checkpoint.file().path());
  return config;
}

Result<GenerationConfig> read_gguf_generation_config(const GgufFile& file) {
  Problems problems;
  const GgufFields ids(file, "tokenizer.ggml.", problems);
  GenerationConfig config;
  const auto end_at = [&](int32_t id) {
    if (std::find(config.eos_ids.begin(), config.eos_ids.end(), id) == config.eos_ids.end()) {
      config.eos_ids.push_back(id);
    }
  };
  for (const std::string_view key : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    for (const int32_t id : ids.ids(key)) end_at(id);
  }
  if (GgufFields(file, "tokenizer.", problems).has("chat_template")) {
    const std::vector<std::string_view> pieces = ids.strings("tokens");
    for (size_t id = 0; id < pieces.size() && id <= static_cast<size_t>(std::numeric_limits<int32_t>::max());
         ++id) {
      if (pieces[id] == "<turn|>" || pieces[id] == "<|tool_response>") end_at(static_cast<int32_t>(id));
    }
  }
  const auto id = [&](std::string_view key) -> std::optional<int32_t> {
    const auto found = ids.integer(key, 0, std::numeric_limits<int32_t>::max());
    return found ? std::optional(static_cast<int32_t>(*found)) : std::nullopt;
  };
  config.bos_id = id("bos_token_id");
  config.pad_id = id("padding_token_id");
  config.suppress_ids = ids.ids("suppress_tokens");

  const GgufFields sampling(file, "general.sampling.", problems);
  config.temperature = sampling.number("temp", 0, 1000);
  config.top_k = sampling.integer("top_k", 0, int64_t{1} << 31);
  config.top_p = sampling.number("top_p", 0, 1);
  config.min_p = sampling.number("min_p", 0, 1);
  config.repetition_penalty = sampling.number("penalty_repeat", 1e-6, 1000);
  if (config.temperature) config.do_sample = *config.temperature > 0;
  if (!problems.empty()) return problems.failure(file.path());
  return config;
}

Result<std::string> read_gguf_chat_template(const GgufFile& file) {
  constexpr size_t kMaxBytes = size_t{64} << 20;
  Problems problems;
  const std::string_view text = GgufFields(file, "tokenizer.", problems).string("chat_template").value_or("");
  if (!problems.empty()) return problems.failure(file.path());
  if (text.size() <= kMaxBytes) return std::string(text);
  return fail(ErrorCode::kResource, file.path() + ": tokenizer.chat_template",
              fmt::format("{} bytes, more than the {} that a template may have", text.size(), kMaxBytes));
}

}  // namespace gemma
