#include "engine/synthetic_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

namespace gemma {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kPrefix = "synthetic:";

// One column of the family table. 0 where the published config says null, or where the trait is absent.
struct Size {
  std::string_view name;
  std::string_view model_type;
  size_t hidden, layers, full_every;  // every full_every-th layer has full attention
  size_t intermediate;
  bool double_wide;  // KV-shared layers have twice the MLP width
  size_t heads, kv_heads, global_kv_heads;
  size_t head_dim, global_head_dim;
  bool k_eq_v;
  size_t window, kv_shared;
  size_t ple_width;
  size_t experts, experts_per_token, expert_width;
  size_t vocab, positions;
};

constexpr std::array<Size, 6> kSizes = {{
    // clang-format off
    // name      model_type        hidden L  full    ff  double  H  KV gKV  hd  ghd  k=v  window shared ple  experts         vocab  positions
    {"tiny",    "gemma4",           128,  6, 3,   256, true,   4,  1, 0,  32,  64, false,   16,  2,  32,   0, 0,   0,   2048,   4096},
    {"e2b",     "gemma4",          1536, 35, 5,  6144, true,   8,  1, 0, 256, 512, false,  512, 20, 256,   0, 0,   0, 262144, 131072},
    {"e4b",     "gemma4",          2560, 42, 6, 10240, false,  8,  2, 0, 256, 512, false,  512, 18, 256,   0, 0,   0, 262144, 131072},
    {"12b",     "gemma4_unified",  3840, 48, 6, 15360, false, 16,  8, 1, 256, 512, true,  1024,  0,   0,   0, 0,   0, 262144, 262144},
    {"26b-a4b", "gemma4",          2816, 30, 6,  2112, false, 16,  8, 2, 256, 512, true,  1024,  0,   0, 128, 8, 704, 262144, 262144},
    {"31b",     "gemma4",          5376, 60, 6, 21504, false, 32, 16, 4, 256, 512, true,  1024,  0,   0,   0, 0,   0, 262144, 262144},
    // clang-format on
}};

const Size* find_size(std::string_view name) {
  auto it = std::find_if(kSizes.begin(), kSizes.end(), [&](const Size& size) { return size.name == name; });
  return it == kSizes.end() ? nullptr : &*it;
}

Failure unknown_size(std::string where, std::string_view found) {
  std::string names;
  for (const Size& size : kSizes) names += fmt::format("{}{}", names.empty() ? "" : ", ", size.name);
  return fail(ErrorCode::kUsage, std::move(where), fmt::format("unknown size \"{}\"", found),
              "the sizes are " + names);
}

Json null_if_zero(size_t n) {
  return n == 0 ? Json() : Json(n);
}

Json text_config(const Size& size) {
  Json layer_types = Json::array();
  for (size_t i = 1; i <= size.layers; ++i) {
    layer_types.push_back(i % size.full_every == 0 ? "full_attention" : "sliding_attention");
  }
  const bool moe = size.experts > 0;
  return {
      {"model_type", fmt::format("{}_text", size.model_type)},
      {"vocab_size", size.vocab},
      {"hidden_size", size.hidden},
      {"num_hidden_layers", size.layers},
      {"layer_types", layer_types},
      {"intermediate_size", size.intermediate},
      {"use_double_wide_mlp", size.double_wide},
      {"num_attention_heads", size.heads},
      {"num_key_value_heads", size.kv_heads},
      {"num_global_key_value_heads", null_if_zero(size.global_kv_heads)},
      {"head_dim", size.head_dim},
      {"global_head_dim", size.global_head_dim},
      {"attention_k_eq_v", size.k_eq_v},
      {"attention_bias", false},
      {"sliding_window", size.window},
      {"num_kv_shared_layers", size.kv_shared},
      {"hidden_size_per_layer_input", size.ple_width},
      {"vocab_size_per_layer_input", size.vocab},
      {"enable_moe_block", moe},
      {"num_experts", null_if_zero(size.experts)},
      {"top_k_experts", null_if_zero(size.experts_per_token)},
      {"moe_intermediate_size", null_if_zero(size.expert_width)},
      {"max_position_embeddings", size.positions},
      {"use_bidirectional_attention", size.ple_width > 0 ? Json() : Json("vision")},
      {"rms_norm_eps", 1e-6},
      {"hidden_activation", "gelu_pytorch_tanh"},
      {"final_logit_softcapping", 30.0},
      {"tie_word_embeddings", true},
      {"rope_parameters",
       {{"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 10000.0}}},
        {"full_attention",
         {{"rope_type", "proportional"}, {"rope_theta", 1000000.0}, {"partial_rotary_factor", 0.25}}}}},
      {"dtype", "bfloat16"},
      {"pad_token_id", 0},
      {"eos_token_id", 1},
      {"bos_token_id", 2},
  };
}

}  // namespace

bool is_synthetic(std::string_view model) {
  return model.starts_with(kPrefix);
}

Result<SyntheticSpec> parse_synthetic(std::string_view model) {
  const std::string where(model);
  if (!is_synthetic(model)) {
    return fail(ErrorCode::kUsage, where, "expected synthetic:SIZE or synthetic:SIZE:SEED");
  }
  const std::string_view rest = model.substr(kPrefix.size());
  const size_t colon = rest.find(':');
  SyntheticSpec spec{std::string(rest.substr(0, colon)), 0};
  if (find_size(spec.size) == nullptr) return unknown_size(where, spec.size);
  if (colon != std::string_view::npos) {
    const std::string_view digits = rest.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), spec.seed);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      return fail(ErrorCode::kUsage, where,
                  fmt::format("expected a seed from 0 to 2^64 - 1, found \"{}\"", digits));
    }
  }
  return spec;
}

std::string to_string(const SyntheticSpec& spec) {
  return fmt::format("{}{}:{}", kPrefix, spec.size, spec.seed);
}

Result<std::string> synthetic_config_json(std::string_view name) {
  const Size* size = find_size(name);
  if (size == nullptr) return unknown_size("synthetic checkpoint", name);
  const bool unified = size->model_type == "gemma4_unified";
  const Json json = {
      {"architectures",
       {unified ? "Gemma4UnifiedForConditionalGeneration" : "Gemma4ForConditionalGeneration"}},
      {"model_type", size->model_type},
      {"dtype", "bfloat16"},
      {"tie_word_embeddings", true},
      {"pad_token_id", 0},
      {"eos_token_id", 1},
      {"bos_token_id", 2},
      {"text_config", text_config(*size)},
  };
  return json.dump(2) + "\n";
}

Result<ModelConfig> synthetic_config(std::string_view size) {
  Result<std::string> json = synthetic_config_json(size);
  if (!json) return fail(json.error());
  return parse_config(*json, fmt::format("synthetic:{}", size));
}

GenerationConfig synthetic_generation_config(std::string_view size) {
  GenerationConfig config;
  config.eos_ids = {1, 106, 50};
  if (size == "12b") config.suppress_ids = {258883, 258882};
  config.bos_id = 2;
  config.pad_id = 0;
  config.do_sample = true;
  config.temperature = 1.0;
  config.top_p = 0.95;
  config.top_k = 64;
  return config;
}

}  // namespace gemma
