#include "engine/kv_cache.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

namespace gemma {

namespace {

// One of a layer's buffers, `bytes` for each KV head and slot.
template <typename AnyBuffer>
struct Rows {
  AnyBuffer* buffer;
  size_t bytes;
};

// All buffers of a layer, in the order in which they are written to a file.
template <typename Layer>
auto rows_of(Layer& layer, kernels::KvType type) {
  const KvRowBytes row = kv_row_bytes(type, layer.head_dim);
  using One = Rows<std::remove_reference_t<decltype((layer.keys))>>;
  return std::array{One{&layer.keys, row.numbers}, One{&layer.values, row.numbers},
                    One{&layer.key_scales, row.scale}, One{&layer.value_scales, row.scale}};
}

}  // namespace

KvRowBytes kv_row_bytes(kernels::KvType type, size_t head_dim) {
  return {head_dim * kernels::bytes_per_number(type), kernels::has_scale(type) ? sizeof(float) : 0};
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
    bytes += uint64_t{2} * plan_slots(config, layer, options) * layer.kv_heads *
             kv_row_bytes(options.type, layer.head_dim).all();
  }
  return bytes;
}

Result<KvCache> KvCache::create(const ModelConfig& config, const KvCacheOptions& options) {
  KvCache cache;
  cache.options_ = options;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig& source = config.layers[i];
    KvLayer layer;
    layer.kv_heads = source.kv_heads;
    layer.head_dim = source.head_dim;
    layer.slots = plan_slots(config, source, options);
    for (const auto& rows : rows_of(layer, options.type)) {
      Result<Buffer> memory =
          Buffer::allocate(layer.kv_heads * layer.slots * rows.bytes, fmt::format("KV cache of layer {}", i));
      if (!memory) return fail(std::move(memory.error()));
      *rows.buffer = std::move(*memory);
    }
    cache.layers_.push_back(std::move(layer));
  }
  return cache;
}

void KvCache::write(const kernels::KernelTable& kernels, size_t layer_index, size_t position,
                    const float* key, const float* value) {
  const KvLayer& layer = layers_[layer_index];
  for (size_t head = 0; head < layer.kv_heads; ++head) {
    const size_t offset = head * layer.head_dim;
    write_head(kernels, layer_index, position, head, key + offset, value + offset);
  }
}

void KvCache::write_head(const kernels::KernelTable& kernels, size_t layer_index, size_t position,
                         size_t head, const float* key, const float* value) {
  KvLayer& layer = layers_[layer_index];
  const size_t index = head * layer.slots + position % layer.slots;
  write_row(kernels, key, layer.head_dim, index, layer.keys, layer.key_scales);
  write_row(kernels, value, layer.head_dim, index, layer.values, layer.value_scales);
}

void KvCache::write_row(const kernels::KernelTable& kernels, const float* row, size_t n, size_t index,
                        Buffer& numbers, Buffer& scales) const {
  const size_t offset = index * n;
  switch (options_.type) {
    case kernels::KvType::kF32:
      std::memcpy(numbers.as<float>() + offset, row, n * sizeof(float));
      break;
    case kernels::KvType::kBf16:
      kernels.float_to_bf16(row, numbers.as<uint16_t>() + offset, n);
      break;
    case kernels::KvType::kF16:
      kernels.float_to_f16(row, numbers.as<uint16_t>() + offset, n);
      break;
    case kernels::KvType::kInt8: {
      int32_t sum;  // of the levels: attention has no use for it
      kernels.quantize_activations(row, 1, n, n, kernels::kKvLevels, numbers.as<int8_t>() + offset,
                                   scales.as<float>() + index, &sum);
      break;
    }
  }
}

kernels::KeyValues KvCache::view(size_t layer_index, size_t kv_head) const {
  const KvLayer& layer = layers_[layer_index];
  const size_t first = kv_head * layer.slots;
  const size_t bytes = first * kv_row_bytes(options_.type, layer.head_dim).numbers;
  kernels::KeyValues view;
  view.k = layer.keys.data() + bytes;
  view.v = layer.values.data() + bytes;
  view.type = options_.type;
  view.slot_stride = layer.head_dim;
  view.slots = layer.slots;
  if (kernels::has_scale(options_.type)) {
    view.k_scales = layer.key_scales.as<float>() + first;
    view.v_scales = layer.value_scales.as<float>() + first;
  }
  return view;
}

uint64_t KvCache::reserved_bytes() const {
  uint64_t bytes = 0;
  for (const KvLayer& layer : layers_) {
    for (const auto& rows : rows_of(layer, options_.type)) bytes += rows.buffer->bytes();
  }
  return bytes;
}

uint64_t KvCache::used_bytes(size_t position) const {
  uint64_t bytes = 0;
  for (const KvLayer& layer : layers_) {
    bytes += uint64_t{2} * layer.kv_heads * std::min(position, layer.slots) *
             kv_row_bytes(options_.type, layer.head_dim).all();
  }
  return bytes;
}

void KvCache::list_memory(const ModelConfig& config, std::vector<MemoryRange>& ranges) const {
  for (size_t i = 0; i < layers_.size(); ++i) {
    const MemoryPart part = config.layers[i].full_attention ? MemoryPart::kKvFull : MemoryPart::kKvSliding;
    for (const auto& rows : rows_of(layers_[i], options_.type)) {
      const Buffer& buffer = *rows.buffer;
      if (buffer.bytes() == 0) continue;
      ranges.push_back({.part = part, .layer = i, .begin = buffer.data(), .bytes = buffer.bytes()});
    }
  }
}

void KvCache::serialize(size_t position, std::byte* out) const {
  for (const KvLayer& layer : layers_) {
    for (const auto& rows : rows_of(layer, options_.type)) {
      const size_t bytes = std::min(position, layer.slots) * rows.bytes;
      for (size_t head = 0; head < layer.kv_heads && bytes > 0; ++head, out += bytes) {
        std::memcpy(out, rows.buffer->data() + head * layer.slots * rows.bytes, bytes);
      }
    }
  }
}

void KvCache::deserialize(size_t position, const std::byte* in) {
  for (KvLayer& layer : layers_) {
    for (const auto& rows : rows_of(layer, options_.type)) {
      const size_t bytes = std::min(position, layer.slots) * rows.bytes;
      for (size_t head = 0; head < layer.kv_heads && bytes > 0; ++head, in += bytes) {
        std::memcpy(rows.buffer->data() + head * layer.slots * rows.bytes, in, bytes);
      }
    }
  }
}

void KvCache::copy_from(const KvCache& other, size_t position) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    const size_t slots = layers_[i].slots;
    const auto to = rows_of(layers_[i], options_.type);
    const auto from = rows_of(other.layers_[i], options_.type);
    for (size_t part = 0; part < to.size(); ++part) {
      const size_t bytes = std::min(position, slots) * to[part].bytes;
      for (size_t head = 0; head < layers_[i].kv_heads && bytes > 0; ++head) {
        const size_t begin = head * slots * to[part].bytes;
        std::memcpy(to[part].buffer->data() + begin, from[part].buffer->data() + begin, bytes);
      }
    }
  }
}

}  // namespace gemma
