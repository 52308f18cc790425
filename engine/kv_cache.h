// Keys and values of one sequence. Sliding layers keep a ring, full layers every position of the context,
// layers that share another's KV nothing. Position p of a layer lies in slot p % slots.
//
// A ring has window - 1 + max(chunk, rollback) slots: while a chunk is processed its first query still sees
// window - 1 older keys, and after a rollback of at most `rollback` tokens every key the next query needs is
// still there. Layout of K and of V in a layer: (kv_heads, slots, head_dim), keys already normed and roped;
// of their scales, where the type has them (kernels/kv_type.h): (kv_heads, slots).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/buffer.h"
#include "engine/memory_range.h"
#include "kernels/kernel_table.h"
#include "loader/config.h"

namespace gemma {

struct KvCacheOptions {
  size_t context = 0;   // most positions of the sequence
  size_t chunk = 0;     // most tokens of one forward pass
  size_t rollback = 0;  // most tokens that can be taken back
  kernels::KvType type = kernels::KvType::kF16;
};

// Bytes of a key, or of a value, of one KV head.
struct KvRowBytes {
  size_t numbers = 0;
  size_t scale = 0;  // in a buffer of its own; 0: the type has none
  size_t all() const { return numbers + scale; }
};
KvRowBytes kv_row_bytes(kernels::KvType type, size_t head_dim);

// One layer's part of the cache.
struct KvLayer {
  size_t kv_heads = 0;
  size_t head_dim = 0;
  size_t slots = 0;                 // 0: this layer owns no KV
  Buffer keys, values;              // (kv_heads, slots, head_dim)
  Buffer key_scales, value_scales;  // (kv_heads, slots) float32; empty for types without scales
};

class KvCache {
 public:
  static Result<KvCache> create(const ModelConfig& config, const KvCacheOptions& options);

  const KvCacheOptions& options() const { return options_; }
  const KvLayer& layer(size_t index) const { return layers_[index]; }

  // Writes the float32 key and value rows of one position, (kv_heads, head_dim) each, converted to the type.
  void write(const kernels::KernelTable& kernels, size_t layer, size_t position, const float* key,
             const float* value);
  // The same of one head, (head_dim) each. Heads may be written at the same time.
  void write_head(const kernels::KernelTable& kernels, size_t layer, size_t position, size_t head,
                  const float* key, const float* value);

  // What attention reads of a KV head, whatever is in its slots.
  kernels::KeyValues view(size_t layer, size_t kv_head) const;

  // Bytes reserved by all layers, and bytes that `position` tokens have filled.
  uint64_t reserved_bytes() const;
  uint64_t used_bytes(size_t position) const;

  void list_memory(const ModelConfig& config, std::vector<MemoryRange>& ranges) const;

  // Positions that a layer keeps in memory; 0 if it reads another's.
  static size_t plan_slots(const ModelConfig& config, const LayerConfig& layer,
                           const KvCacheOptions& options);
  // Bytes that create() would reserve.
  static uint64_t plan_bytes(const ModelConfig& config, const KvCacheOptions& options);

  // The filled part as one byte string, layer by layer, and back. The other cache has the same options.
  size_t serialized_bytes(size_t position) const { return used_bytes(position); }
  void serialize(size_t position, std::byte* out) const;
  void deserialize(size_t position, const std::byte* in);
  void copy_from(const KvCache& other, size_t position);

 private:
  // One head's key or value into slot `index` of all heads' slots.
  void write_row(const kernels::KernelTable& kernels, const float* row, size_t n, size_t index,
                 Buffer& numbers, Buffer& scales) const;

  KvCacheOptions options_;
  std::vector<KvLayer> layers_;
};

}  // namespace gemma
