#include "engine/decode_traffic.h"

#include <algorithm>

#include "engine/kv_cache.h"

namespace gemma {

uint64_t weight_bytes_per_token(const ModelConfig& config, std::span<const PlannedWeight> weights) {
  uint64_t bytes = 0;
  for (const PlannedWeight& weight : weights) {
    if (weight.tensor_class == TensorClass::kEmbed) continue;
    const uint64_t all = weight.owned_bytes + weight.mapped_bytes;
    const bool experts = weight.tensor_class == TensorClass::kExperts && config.experts > 0;
    bytes += experts ? all / config.experts * config.experts_per_token : all;
  }
  return bytes;
}

uint64_t kv_bytes_per_token(const ModelConfig& config, kernels::KvType type, size_t position) {
  uint64_t bytes = 0;
  for (const LayerConfig& layer : config.layers) {
    const uint64_t seen = layer.full_attention ? position + 1 : std::min(position + 1, config.sliding_window);
    bytes += 2 * seen * layer.kv_heads * kv_row_bytes(type, layer.head_dim).all();
  }
  return bytes;
}

}  // namespace gemma
