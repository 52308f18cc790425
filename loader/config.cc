#include "loader/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "loader/file.h"
#include "loader/in_quotes.h"
#include "loader/json.h"
#include "loader/json_fields.h"

namespace gemma {
namespace {

constexpr std::string_view kSliding = "sliding_attention";
constexpr std::string_view kFull = "full_attention";
constexpr size_t kMaxLayers = 4096;

// What an absent field means: the defaults of transformers' Gemma4TextConfig, because its files may leave out
// what equals them. hidden_size and intermediate_size have defaults there, too, but of no published model;
// here they are required.
constexpr size_t kVocabSize = 262144;
constexpr size_t kLayers = 30;
constexpr size_t kHeads = 8;
constexpr size_t kKvHeads = 4;
constexpr size_t kHeadDim = 256;
constexpr size_t kFullHeadDim = 512;
constexpr size_t kSlidingWindow = 512;
constexpr size_t kMaxPositions = 131072;
constexpr size_t kPleWidth = 256;
constexpr double kRmsNormEps = 1e-6;
constexpr RopeConfig kSlidingRope = {.theta = 1e4};
constexpr RopeConfig kFullRope = {.theta = 1e6, .proportional = true, .partial_rotary_factor = 0.25};

// The whole reading of one file; a member per group of fields, in the order in which they depend on each
// other.
class ConfigReader {
 public:
  ConfigReader(const nlohmann::json& json, Problems& problems)
      : top_(json, "", problems), text_(top_.has("text_config") ? top_.object("text_config") : top_) {}

  ModelConfig read() {
    read_model_type();
    read_sizes();
    read_refusals();
    read_tokens();
    read_ple();
    read_experts();
    read_rope();
    read_quantization();
    read_layers();
    return std::move(config_);
  }

 private:
  // A field that stands beside text_config in some files and in it in others; the outer one has the last
  // word.
  const JsonFields& outer(std::string_view key) const { return top_.has(key) ? top_ : text_; }

  void read_model_type() {
    static constexpr std::array<std::string_view, 4> kKnown = {"gemma4", "gemma4_text", "gemma4_unified",
                                                               "gemma4_unified_text"};
    config_.model_type = top_.string("model_type").value_or("");
    if (config_.model_type.empty()) {
      top_.invalid("model_type", "expected \"gemma4\" or one of its kinds, found nothing");
      return;
    }
    for (const JsonFields* fields : {&top_, &text_}) {
      const std::string type = fields->string("model_type").value_or(config_.model_type);
      if (std::find(kKnown.begin(), kKnown.end(), type) == kKnown.end()) {
        fields->unsupported("model_type", in_quotes(type, 40) +
                                              " is not a Gemma 4 text model, expected gemma4, "
                                              "gemma4_text, gemma4_unified or "
                                              "gemma4_unified_text");
        return;
      }
    }
  }

  void read_sizes() {
    config_.vocab_size = text_.size("vocab_size", kVocabSize);
    config_.hidden_size = required_size("hidden_size");
    config_.heads = text_.size("num_attention_heads", kHeads);
    config_.sliding_window = text_.size("sliding_window", kSlidingWindow);
    config_.max_positions = text_.size("max_position_embeddings", kMaxPositions);
    config_.rms_norm_eps = text_.number("rms_norm_eps", 0, 1).value_or(kRmsNormEps);
    if (config_.rms_norm_eps <= 0) text_.invalid("rms_norm_eps", "expected a number above 0, found 0");
    config_.final_softcap = text_.number("final_logit_softcapping", 0, 1e6).value_or(0);
    const JsonFields& tied = outer("tie_word_embeddings");
    config_.tied = tied.boolean("tie_word_embeddings").value_or(true);

    const std::string_view key = outer("dtype").has("dtype") ? "dtype" : "torch_dtype";
    config_.dtype = outer(key).string(key).value_or("bfloat16");
    if (config_.dtype.starts_with("torch.")) config_.dtype.erase(0, 6);
    if (config_.dtype != "bfloat16" && config_.dtype != "float32" && config_.dtype != "float16") {
      outer(key).unsupported(key,
                             "expected bfloat16, float32 or float16, found " + in_quotes(config_.dtype, 40));
    }
  }

  size_t required_size(std::string_view key) const {
    if (!text_.has(key)) text_.invalid(key, "missing");
    return text_.size(key, 1);
  }

  // What Gemma 4 could ask for and nothing here computes. Ignoring it would give wrong numbers silently.
  void read_refusals() const {
    if (text_.boolean("attention_bias").value_or(false)) {
      text_.unsupported("attention_bias", "expected false, found true");
    }
    for (std::string_view key : {"hidden_activation", "hidden_act"}) {
      const std::string activation = text_.string(key).value_or("gelu_pytorch_tanh");
      if (activation != "gelu_pytorch_tanh") {
        text_.unsupported(key, "expected \"gelu_pytorch_tanh\", found " + in_quotes(activation, 40));
      }
    }
    if (text_.number("attn_logit_softcapping", 0, 1e6).value_or(0) != 0) {
      text_.unsupported("attn_logit_softcapping",
                        "expected none, found " + shown(*text_.find("attn_logit_softcapping")));
    }
    const nlohmann::json* bidirectional = text_.find("use_bidirectional_attention");
    if (bidirectional != nullptr && *bidirectional != "vision" && *bidirectional != false) {
      text_.unsupported("use_bidirectional_attention",
                        "expected null or \"vision\" (text is causal), found " + shown(*bidirectional));
    }
  }

  void read_tokens() {
    auto id = [&](std::string_view key, int32_t absent) {
      return static_cast<int32_t>(
          outer(key).integer(key, 0, std::numeric_limits<int32_t>::max()).value_or(absent));
    };
    config_.bos_id = id("bos_token_id", 2);
    config_.pad_id = id("pad_token_id", 0);
    if (static_cast<size_t>(config_.bos_id) >= config_.vocab_size) {
      outer("bos_token_id")
          .invalid("bos_token_id", fmt::format("expected an id below vocab_size = {}, found {}",
                                               config_.vocab_size, config_.bos_id));
    }
    config_.eos_ids = outer("eos_token_id").ids("eos_token_id");
    if (config_.eos_ids.empty()) config_.eos_ids = {1};
  }

  void read_ple() {
    constexpr int64_t kMax = int64_t{1} << 31;
    config_.ple_width =
        static_cast<size_t>(text_.integer("hidden_size_per_layer_input", 0, kMax).value_or(kPleWidth));
    if (config_.ple_width == 0) return;
    config_.ple_vocab_size = text_.size("vocab_size_per_layer_input", kVocabSize);
    if (config_.ple_vocab_size < config_.vocab_size) {
      text_.unsupported("vocab_size_per_layer_input",
                        fmt::format("expected a row for each id of vocab_size = {}, found {}",
                                    config_.vocab_size, config_.ple_vocab_size));
    }
  }

  void read_experts() {
    if (!text_.boolean("enable_moe_block").value_or(false)) return;
    config_.experts = required_size("num_experts");
    config_.experts_per_token = required_size("top_k_experts");
    config_.expert_width = required_size("moe_intermediate_size");
    if (config_.experts_per_token > config_.experts) {
      text_.invalid("top_k_experts", fmt::format("expected at most num_experts = {}, found {}",
                                                 config_.experts, config_.experts_per_token));
    }
  }

  // New files nest the rotation by layer type. Older ones name both bases side by side: rope_theta is that of
  // the full layers, rope_local_base_freq that of the sliding ones.
  void read_rope() {
    config_.sliding_rope = kSlidingRope;
    config_.full_rope = kFullRope;
    if (text_.has("rope_parameters")) {
      const JsonFields both = text_.object("rope_parameters");
      if (!both.has(kSliding) && !both.has(kFull) && both.json().size() > 0) {
        text_.unsupported("rope_parameters",
                          "expected sliding_attention and full_attention in it, found neither");
      }
      config_.sliding_rope = read_rope(both.object(kSliding), kSlidingRope);
      config_.full_rope = read_rope(both.object(kFull), kFullRope);
      return;
    }
    config_.full_rope.theta = rope_theta(text_, "rope_theta", kFullRope.theta);
    config_.sliding_rope.theta = rope_theta(text_, "rope_local_base_freq", kSlidingRope.theta);
    config_.full_rope.partial_rotary_factor = rotary_factor(text_, kFullRope.partial_rotary_factor);
    if (text_.has("rope_scaling")) {
      text_.unsupported("rope_scaling", "expected none, found " + shown(*text_.find("rope_scaling")));
    }
  }

  static double rope_theta(const JsonFields& fields, std::string_view key, double absent) {
    return fields.number(key, 1, 1e12).value_or(absent);
  }

  static double rotary_factor(const JsonFields& fields, double absent) {
    const double factor = fields.number("partial_rotary_factor", 0, 1).value_or(absent);
    if (factor <= 0) fields.invalid("partial_rotary_factor", "expected a number above 0, found 0");
    return factor;
  }

  static RopeConfig read_rope(const JsonFields& fields, const RopeConfig& absent) {
    if (fields.json().empty()) return absent;
    RopeConfig rope;
    const std::string type =
        fields.string("rope_type").value_or(absent.proportional ? "proportional" : "default");
    rope.proportional = type == "proportional";
    if (!rope.proportional && type != "default") {
      fields.unsupported("rope_type",
                         "expected \"default\" or \"proportional\", found " + in_quotes(type, 40));
    }
    rope.theta = rope_theta(fields, "rope_theta", absent.theta);
    rope.partial_rotary_factor = rotary_factor(fields, 1.0);
    if (!rope.proportional && rope.partial_rotary_factor != 1.0) {
      fields.unsupported("partial_rotary_factor", "only the proportional type may turn a part of the head");
    }
    rope.factor = fields.number("factor", 1e-6, 1e6).value_or(1.0);
    if (!rope.proportional && rope.factor != 1.0) {
      fields.unsupported("factor", "only the proportional type has one");
    }
    return rope;
  }

  void read_quantization() {
    const JsonFields& holder = outer("quantization_config");
    if (!holder.has("quantization_config")) return;
    const JsonFields quantization = holder.object("quantization_config");
    config_.quantization.method = quantization.string("quant_method").value_or("");
    config_.quantization.format = quantization.string("format").value_or("");
    if (!quantization.has("quant_method")) {
      quantization.invalid("quant_method", "missing");
    } else if (config_.quantization.method != "compressed-tensors" &&
               config_.quantization.method != "gemma") {
      quantization.unsupported("quant_method", "expected \"compressed-tensors\" or \"gemma\", found " +
                                                   in_quotes(config_.quantization.method, 40));
    }
  }

  void read_layers() {
    const auto layers =
        static_cast<size_t>(text_.integer("num_hidden_layers", 1, kMaxLayers).value_or(kLayers));
    const size_t width = required_size("intermediate_size");
    config_.layers.resize(layers);
    for (LayerConfig& layer : config_.layers) layer.intermediate_size = width;
    read_layer_types();
    read_heads();
    read_kv_sharing();
  }

  void read_layer_types() {
    std::vector<LayerConfig>& layers = config_.layers;
    const nlohmann::json* types = text_.find("layer_types");
    if (types == nullptr) {
      constexpr size_t kPattern = 6;  // five sliding, one full
      for (size_t i = 0; i < layers.size(); ++i) layers[i].full_attention = i % kPattern == kPattern - 1;
    } else if (!types->is_array() || types->size() != layers.size()) {
      text_.invalid("layer_types", fmt::format("expected an array of {} (num_hidden_layers), found {}",
                                               layers.size(), shown(*types)));
      return;
    } else {
      for (size_t i = 0; i < layers.size(); ++i) {
        const nlohmann::json& type = (*types)[i];
        if (type != kSliding && type != kFull) {
          text_.invalid(fmt::format("layer_types.{}", i),
                        "expected \"sliding_attention\" or \"full_attention\", found " + shown(type));
          return;
        }
        layers[i].full_attention = type == kFull;
      }
    }
    // The reference forces this too, whatever the file says.
    layers.back().full_attention = true;
  }

  // Full layers differ from the sliding ones in head width, in KV heads (only where K = V) and in K = V
  // itself. The new spelling lists what differs layer by layer and replaces the old one altogether.
  void read_heads() {
    const size_t head_dim = text_.size("head_dim", kHeadDim);
    const size_t kv_heads = text_.size("num_key_value_heads", kKvHeads);
    const bool k_eq_v = text_.boolean("attention_k_eq_v").value_or(false);
    const bool per_layer = text_.has("per_layer_config");
    const size_t full_head_dim = per_layer ? head_dim : text_.size("global_head_dim", kFullHeadDim);
    const size_t full_kv_heads =
        per_layer || !k_eq_v ? kv_heads : text_.size("num_global_key_value_heads", kv_heads);
    for (LayerConfig& layer : config_.layers) {
      layer.head_dim = layer.full_attention ? full_head_dim : head_dim;
      layer.kv_heads = layer.full_attention ? full_kv_heads : kv_heads;
      layer.k_eq_v = layer.full_attention && k_eq_v;
    }
    if (per_layer) read_per_layer_config();
    for (size_t i = 0; i < config_.layers.size(); ++i) {
      if (!check_heads(i, per_layer)) break;  // one layer stands for its kind
    }
    for (const LayerConfig& layer : config_.layers) {
      // The engine turns the heads of a type by one table of angles.
      const size_t other = width_of_type(layer.full_attention);
      if (layer.head_dim == other) continue;
      text_.unsupported("per_layer_config",
                        fmt::format("expected one head_dim for all {} layers, found {} and {}",
                                    layer.full_attention ? kFull : kSliding, other, layer.head_dim));
      break;
    }
  }

  void read_per_layer_config() {
    const JsonFields all = text_.object("per_layer_config");
    // A type first, so that a single layer can still differ from its type.
    for (const bool by_type : {true, false}) {
      for (const auto& [key, value] : all.json().items()) {
        const bool is_type = key == kFull || key == kSliding;
        if (is_type != by_type || value.is_null()) continue;
        size_t index = 0;
        auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
        if (!is_type &&
            (error != std::errc() || end != key.data() + key.size() || index >= config_.layers.size())) {
          all.invalid(in_quotes(key, 40), fmt::format("expected a layer from 0 to {} or a layer type",
                                                      config_.layers.size() - 1));
          continue;
        }
        const JsonFields fields = all.object(key);
        for (size_t i = 0; i < config_.layers.size(); ++i) {
          LayerConfig& layer = config_.layers[i];
          if (is_type ? layer.full_attention == (key == kFull) : i == index) read_override(fields, layer);
        }
      }
    }
  }

  static void read_override(const JsonFields& fields, LayerConfig& layer) {
    layer.head_dim = fields.size("head_dim", layer.head_dim);
    layer.kv_heads = fields.size("num_key_value_heads", layer.kv_heads);
    for (const auto& [key, value] : fields.json().items()) {
      if (key != "head_dim" && key != "num_key_value_heads") {
        fields.unsupported(in_quotes(key, 40), "expected head_dim or num_key_value_heads");
      }
    }
  }

  // The head_dim of the first layer of a type.
  size_t width_of_type(bool full) const {
    for (const LayerConfig& layer : config_.layers) {
      if (layer.full_attention == full) return layer.head_dim;
    }
    return 0;
  }

  bool check_heads(size_t index, bool per_layer) {
    const LayerConfig& layer = config_.layers[index];
    const bool full = layer.full_attention;
    const std::string at = per_layer ? fmt::format(" (layer {})", index) : "";
    const std::string_view dim_key = full && !per_layer ? "global_head_dim" : "head_dim";
    const std::string_view kv_key =
        full && !per_layer && layer.k_eq_v && text_.has("num_global_key_value_heads")
            ? "num_global_key_value_heads"
            : "num_key_value_heads";
    if (layer.head_dim % 2 != 0) {
      text_.invalid(dim_key, fmt::format("expected an even number, found {}{}", layer.head_dim, at));
      return false;
    }
    if (config_.heads % layer.kv_heads != 0) {
      text_.invalid(kv_key, fmt::format("expected a divisor of num_attention_heads = {}, found {}{}",
                                        config_.heads, layer.kv_heads, at));
      return false;
    }
    return true;
  }

  void read_kv_sharing() {
    std::vector<LayerConfig>& layers = config_.layers;
    const auto shared = static_cast<size_t>(
        text_.integer("num_kv_shared_layers", 0, static_cast<int64_t>(layers.size())).value_or(0));
    const bool double_wide = text_.boolean("use_double_wide_mlp").value_or(false);
    const size_t first_shared = layers.size() - shared;
    for (size_t i = first_shared; i < layers.size() && double_wide; ++i) layers[i].intermediate_size *= 2;
    const std::string problem = share_kv(layers, shared);
    if (!problem.empty()) text_.invalid("num_kv_shared_layers", problem);
  }

  JsonFields top_;
  JsonFields text_;
  ModelConfig config_;
};

}  // namespace

std::string share_kv(std::vector<LayerConfig>& layers, size_t shared) {
  const size_t first_shared = layers.size() - shared;
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i].kv_source = i;
    if (i < first_shared) continue;
    layers[i].owns_kv = false;
    size_t source = first_shared;
    while (source > 0 && layers[source - 1].full_attention != layers[i].full_attention) --source;
    if (source == 0) {
      return fmt::format("layer {} shares the cache of an earlier {} layer, but there is none", i,
                         layers[i].full_attention ? "full" : "sliding");
    }
    layers[i].kv_source = source - 1;
    const LayerConfig& owner = layers[source - 1];
    if (owner.head_dim != layers[i].head_dim || owner.kv_heads != layers[i].kv_heads) {
      return fmt::format("layer {} shares the cache of layer {}, but their heads differ in shape", i,
                         source - 1);
    }
  }
  return {};
}

size_t ModelConfig::last_kv_owner() const {
  size_t last = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].owns_kv) last = i;
  }
  return last;
}

Result<ModelConfig> parse_config(std::string_view json, const std::string& where) {
  Result<nlohmann::json> parsed = parse_json(json, where);
  if (!parsed) return fail(parsed.error());
  if (!parsed->is_object()) {
    return fail(ErrorCode::kInvalidFile, where, "expected an object, found " + shown(*parsed));
  }
  Problems problems;
  ModelConfig config = ConfigReader(*parsed, problems).read();
  if (!problems.empty()) return problems.failure(where);
  return config;
}

Result<ModelConfig> read_config(const std::string& path) {
  constexpr uint64_t kMaxBytes = 16 << 20;
  Result<std::string> text = read_text(path, kMaxBytes);
  if (!text) return fail(text.error());
  return parse_config(*text, path);
}

}  // namespace gemma
