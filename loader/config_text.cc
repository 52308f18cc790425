#include "loader/config_text.h"

#include <concepts>
#include <string_view>

#include <fmt/format.h>

namespace gemma {
namespace {

void add(std::string& text, const QuantizationConfig& quantization);
void add(std::string& text, const RopeConfig& rope);
void add(std::string& text, const LayerConfig& layer);

void add(std::string& text, std::string_view word) {
  text += fmt::format("{}:{} ", word.size(), word);  // the length keeps neighbours apart
}

void add(std::string& text, std::integral auto value) {
  text += fmt::format("{} ", value);
}

void add(std::string& text, double value) {
  text += fmt::format("{:a} ", value);
}

template <typename T>
void add(std::string& text, const std::vector<T>& values) {
  add(text, values.size());
  for (const T& value : values) add(text, value);
}

void add_all(std::string& text, const auto&... values) {
  (add(text, values), ...);
}

// The structures are taken apart whole: one that gets another field does not compile until it is named here.

void add(std::string& text, const QuantizationConfig& quantization) {
  const auto& [method, format] = quantization;
  add_all(text, method, format);
}

void add(std::string& text, const RopeConfig& rope) {
  const auto& [theta, proportional, partial_rotary_factor, factor] = rope;
  add_all(text, theta, proportional, partial_rotary_factor, factor);
}

void add(std::string& text, const LayerConfig& layer) {
  const auto& [full_attention, head_dim, kv_heads, intermediate_size, owns_kv, kv_source, k_eq_v] = layer;
  add_all(text, full_attention, head_dim, kv_heads, intermediate_size, owns_kv, kv_source, k_eq_v);
}

}  // namespace

std::string config_text(const ModelConfig& config) {
  const auto& [model_type, dtype, vocab_size, hidden_size, heads, sliding_window, max_positions, rms_norm_eps,
               final_softcap, tied, sliding_rope, full_rope, layers, ple_width, ple_vocab_size, experts,
               experts_per_token, expert_width, bos_id, pad_id, eos_ids, quantization] = config;
  std::string text;
  add_all(text, model_type, dtype, vocab_size, hidden_size, heads, sliding_window, max_positions,
          rms_norm_eps, final_softcap, tied, sliding_rope, full_rope, layers, ple_width, ple_vocab_size,
          experts, experts_per_token, expert_width, bos_id, pad_id, eos_ids, quantization);
  return text;
}

}  // namespace gemma
