#include "loader/gguf_names.h"

#include <array>
#include <span>
#include <utility>

namespace gemma {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;  // GGUF, canonical

constexpr std::array<Pair, 6> kWhole = {{
    {"token_embd.weight", "embed_tokens.weight"},
    {"output_norm.weight", "norm.weight"},
    {"output.weight", "lm_head.weight"},
    {"per_layer_token_embd.weight", "embed_tokens_per_layer.weight"},
    {"per_layer_model_proj.weight", "per_layer_model_projection.weight"},
    {"per_layer_proj_norm.weight", "per_layer_projection_norm.weight"},
}};

constexpr std::array<Pair, 25> kOfLayer = {{
    {"attn_norm.weight", "input_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"post_attention_norm.weight", "post_attention_layernorm.weight"},
    {"ffn_norm.weight", "pre_feedforward_layernorm.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"post_ffw_norm.weight", "post_feedforward_layernorm.weight"},
    {"layer_output_scale.weight", "layer_scalar"},
    {"inp_gate.weight", "per_layer_input_gate.weight"},
    {"proj.weight", "per_layer_projection.weight"},
    {"post_norm.weight", "post_per_layer_input_norm.weight"},
    {"ffn_gate_inp.weight", "router.proj.weight"},
    {"ffn_gate_inp.scale", "router.scale"},
    {"ffn_down_exps.scale", "router.per_expert_scale"},
    {"ffn_gate_up_exps.weight", "experts.gate_up_proj"},
    {"ffn_down_exps.weight", "experts.down_proj"},
    {"post_ffw_norm_1.weight", "post_feedforward_layernorm_1.weight"},
    {"pre_ffw_norm_2.weight", "pre_feedforward_layernorm_2.weight"},
    {"post_ffw_norm_2.weight", "post_feedforward_layernorm_2.weight"},
}};

using Side = std::string_view Pair::*;

std::string_view find(std::span<const Pair> pairs, std::string_view name, Side from, Side to) {
  for (const Pair& pair : pairs) {
    if (pair.*from == name) return pair.*to;
  }
  return {};
}

// "blk.3.attn_q.weight" -> "layers.3." + the other name.
std::string translate(std::string_view name, std::string_view prefix, std::string_view other_prefix,
                      Side from, Side to) {
  if (!name.starts_with(prefix)) return std::string(find(kWhole, name, from, to));
  name.remove_prefix(prefix.size());
  const size_t dot = name.find('.');
  const std::string_view number = name.substr(0, dot);
  const bool is_number = dot != name.npos && !number.empty() && number.size() <= 5 &&
                         number.find_first_not_of("0123456789") == number.npos &&
                         (number.size() == 1 || number[0] != '0');
  const std::string_view found =
      is_number ? find(kOfLayer, name.substr(dot + 1), from, to) : std::string_view();
  if (found.empty()) return {};
  std::string text(other_prefix);
  return text.append(number).append(".").append(found);
}

}  // namespace

std::string canonical_of_gguf(std::string_view stored) {
  return translate(stored, "blk.", "layers.", &Pair::first, &Pair::second);
}

std::string gguf_of_canonical(std::string_view canonical) {
  return translate(canonical, "layers.", "blk.", &Pair::second, &Pair::first);
}

}  // namespace gemma
