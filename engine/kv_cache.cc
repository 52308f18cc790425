#include "engine/kv_cache.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace gemma {

size_t kv_type_bytes(kernels::KvType type) {
  return type == kernels::KvType::kF32 ? 4 : 2;
}

size_t KvCache::plan_slots(const ModelConfig& config, const LayerConfig& layer,
                           const KvCacheOptions& options) {
  if (!layer.owns_kv) return 0;
  if (layer.full_attention) return options.context;
  const size_t ring = config.sliding_window - 1 + std::max(options.chunk, options.rollback);
  return std::min(ring, options.context);
}

uint64_t KvCache::plan_bytes(const ModelConfig& config, const KvCacheOptions& options) {
  uint64_t bytes = 0;
  for (const LayerConfig& layer : config.layers) {
    bytes += uint64_t{2} * plan_slots(config, layer, options) * layer.kv_heads * layer.head_dim *
             kv_type_bytes(options.type);
  }
  return bytes;
}

Result<KvCache> KvCache::create(const ModelConfig& config, const KvCacheOptions& options) {
  KvCache cache;
  cache.options_ = options;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig& source = config.layers[i];
    KvLayer layer{source.kv_heads, source.head_dim, plan_slots(config, source, options), {}, {}};
    const size_t bytes = layer.slots * layer.kv_heads * layer.head_dim * kv_type_bytes(options.type);
    for (Buffer* buffer : {&layer.keys, &layer.values}) {
      Result<Buffer> memory = Buffer::allocate(bytes, fmt::format("KV cache of layer {}", i));
      if (!memory) return fail(std::move(memory.error()));
      *buffer = std::move(*memory);
    }
    cache.layers_.push_back(std::move(layer));
  }
  return cache;
}

void KvCache::write(const kernels::KernelTable& kernels, size_t layer_index, size_t position,
                    const float* key, const float* value) {
  KvLayer& layer = layers_[layer_index];
  const size_t n = layer.head_dim;
  const size_t slot = position % layer.slots;
  for (size_t head = 0; head < layer.kv_heads; ++head) {
    const size_t offset = (head * layer.slots + slot) * n;
    for (auto [buffer, row] : {std::pair{&layer.keys, key}, {&layer.values, value}}) {
      switch (options_.type) {
        case kernels::KvType::kF32:
          std::memcpy(buffer->as<float>() + offset, row + head * n, n * sizeof(float));
          break;
        case kernels::KvType::kBf16:
          kernels.float_to_bf16(row + head * n, buffer->as<uint16_t>() + offset, n);
          break;
        case kernels::KvType::kF16:
          kernels.float_to_f16(row + head * n, buffer->as<uint16_t>() + offset, n);
          break;
      }
    }
  }
}

uint64_t KvCache::reserved_bytes() const {
  uint64_t bytes = 0;
  for (const KvLayer& layer : layers_) bytes += layer.keys.bytes() + layer.values.bytes();
  return bytes;
}

uint64_t KvCache::used_bytes(size_t position) const {
  uint64_t bytes = 0;
  for (const KvLayer& layer : layers_) {
    bytes += uint64_t{2} * layer.kv_heads * std::min(position, layer.slots) * layer.head_dim *
             kv_type_bytes(options_.type);
  }
  return bytes;
}

void KvCache::list_memory(const ModelConfig& config, std::vector<MemoryRange>& ranges) const {
  for (size_t i = 0; i < layers_.size(); ++i) {
    const MemoryPart part = config.layers[i].full_attention ? MemoryPart::kKvFull : MemoryPart::kKvSliding;
    for (const Buffer* buffer : {&layers_[i].keys, &layers_[i].values}) {
      if (buffer->bytes() == 0) continue;
      ranges.push_back({.part = part, .layer = i, .begin = buffer->data(), .bytes = buffer->bytes()});
    }
  }
}

void KvCache::serialize(size_t position, std::byte* out) const {
  for (const KvLayer& layer : layers_) {
    const size_t slot_bytes = layer.head_dim * kv_type_bytes(options_.type);
    const size_t bytes = std::min(position, layer.slots) * slot_bytes;
    for (const Buffer* buffer : {&layer.keys, &layer.values}) {
      for (size_t head = 0; head < layer.kv_heads && bytes > 0; ++head, out += bytes) {
        std::memcpy(out, buffer->data() + head * layer.slots * slot_bytes, bytes);
      }
    }
  }
}

void KvCache::deserialize(size_t position, const std::byte* in) {
  for (KvLayer& layer : layers_) {
    const size_t slot_bytes = layer.head_dim * kv_type_bytes(options_.type);
    const size_t bytes = std::min(position, layer.slots) * slot_bytes;
    for (Buffer* buffer : {&layer.keys, &layer.values}) {
      for (size_t head = 0; head < layer.kv_heads && bytes > 0; ++head, in += bytes) {
        std::memcpy(buffer->data() + head * layer.slots * slot_bytes, in, bytes);
      }
    }
  }
}

void KvCache::copy_from(const KvCache& other, size_t position) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    KvLayer& to = layers_[i];
    const KvLayer& from = other.layers_[i];
    const size_t head_bytes = to.slots * to.head_dim * kv_type_bytes(options_.type);
    const size_t bytes = std::min(position, to.slots) * to.head_dim * kv_type_bytes(options_.type);
    for (size_t head = 0; head < to.kv_heads && bytes > 0; ++head) {
      std::memcpy(to.keys.data() + head * head_bytes, from.keys.data() + head * head_bytes, bytes);
      std::memcpy(to.values.data() + head * head_bytes, from.values.data() + head * head_bytes, bytes);
    }
  }
}

}  // namespace gemma
