// The cache of keys and values in every type: bytes as planned, rows as written, and its two ways out and
// back.
#include "engine/kv_cache.h"

#include <cmath>
#include <cstring>

#include <doctest/doctest.h>

namespace gemma {
namespace {

constexpr size_t kContext = 50;

// A ring of 7 - 1 + 3 slots, a full layer, and one that reads another's.
ModelConfig small_config() {
  ModelConfig config;
  config.sliding_window = 7;
  LayerConfig sliding, full, sharing;
  sliding.kv_heads = 2;
  sliding.head_dim = 24;
  full = sliding;
  full.full_attention = true;
  full.kv_heads = 1;
  full.head_dim = 40;
  sharing = sliding;
  sharing.owns_kv = false;
  config.layers = {sliding, full, sharing};
  return config;
}

KvCache make(kernels::KvType type) {
  Result<KvCache> cache = KvCache::create(small_config(), {kContext, 3, 2, type});
  REQUIRE(cache.has_value());
  return std::move(*cache);
}

std::vector<float> row_of(size_t layer, size_t position, size_t n) {
  std::vector<float> row(n);
  for (size_t i = 0; i < n; ++i) row[i] = std::sin(static_cast<float>(layer * 100 + position * 7 + i));
  return row;
}

void fill(KvCache& cache, size_t positions) {
  for (size_t layer = 0; layer < 2; ++layer) {
    const size_t n = cache.layer(layer).kv_heads * cache.layer(layer).head_dim;
    for (size_t p = 0; p < positions; ++p) {
      cache.write(kernels::default_kernel_table(), layer, p, row_of(layer, p, n).data(),
                  row_of(layer, p + 1, n).data());
    }
  }
}

std::vector<std::byte> bytes_of(const KvCache& cache, size_t position) {
  std::vector<std::byte> bytes(cache.serialized_bytes(position));
  cache.serialize(position, bytes.data());
  return bytes;
}

TEST_CASE("a cache reserves what its plan says, lists all of it, and is full once every slot is") {
  for (kernels::KvType type : kernels::all_kv_types()) {
    CAPTURE(kernels::to_string(type));
    const KvCache cache = make(type);
    CHECK(cache.reserved_bytes() == KvCache::plan_bytes(small_config(), cache.options()));
    CHECK(cache.used_bytes(kContext) == cache.reserved_bytes());
    CHECK(cache.used_bytes(0) == 0);
    std::vector<MemoryRange> ranges;
    cache.list_memory(small_config(), ranges);
    uint64_t listed = 0;
    for (const MemoryRange& range : ranges) listed += range.bytes;
    CHECK(listed == cache.reserved_bytes());
  }
}

TEST_CASE("int8 takes a byte for each number and four for each key and each value of a head") {
  const KvCache cache = make(kernels::KvType::kInt8);
  CHECK(cache.used_bytes(1) == 2 * (2 * (24 + 4) + (40 + 4)));
  CHECK(cache.reserved_bytes() == 2 * (9 * 2 * (24 + 4) + kContext * (40 + 4)));
}

TEST_CASE("a written key and value stand in their slot, as near as their type is") {
  for (kernels::KvType type : kernels::all_kv_types()) {
    CAPTURE(kernels::to_string(type));
    KvCache cache = make(type);
    fill(cache, 20);
    for (size_t layer = 0; layer < 2; ++layer) {
      const KvLayer& of = cache.layer(layer);
      for (size_t head = 0; head < of.kv_heads; ++head) {
        const kernels::KeyValues view = cache.view(layer, head);
        REQUIRE(view.type == type);
        REQUIRE(view.slots == of.slots);
        const size_t position = 19, slot = position % of.slots, n = of.head_dim;
        const std::vector<float> key = row_of(layer, position, of.kv_heads * n);
        const std::vector<float> value = row_of(layer, position + 1, of.kv_heads * n);
        // With one key a query gets its value; the key shows in the greatest score.
        const std::vector<float> q(n, 1.0f);
        std::vector<float> mix(n), scratch(kernels::kAttentionScratch);
        float largest, sum;
        const kernels::AttentionQueries query = {q.data(), n, position, 1, 1, n, 1};
        kernels::default_kernel_table().attention_span(query, view, 0, kContext,
                                                       {&largest, &sum, mix.data(), n}, scratch.data());
        double score = 0;
        for (size_t i = 0; i < n; ++i) {
          score += key[head * n + i];
          CHECK(std::fabs(mix[i] - value[head * n + i]) <= 0.51 / kernels::kKvLevels);
        }
        CHECK(std::fabs(largest - score) <= 0.51 / kernels::kKvLevels * static_cast<double>(n));
        if (kernels::has_scale(type)) {
          CHECK(view.k_scales[slot] > 0);
          CHECK(view.k_scales[slot] <= 1.0f / kernels::kKvLevels);
        } else {
          CHECK(view.k_scales == nullptr);
        }
      }
    }
  }
}

TEST_CASE("what is serialized and what is copied is the same cache again, scales included") {
  for (kernels::KvType type : kernels::all_kv_types()) {
    CAPTURE(kernels::to_string(type));
    for (size_t positions : {0, 1, 5, 20, 50}) {
      CAPTURE(positions);
      KvCache original = make(type), read = make(type), copied = make(type);
      fill(original, positions);
      const std::vector<std::byte> bytes = bytes_of(original, positions);
      read.deserialize(positions, bytes.data());
      copied.copy_from(original, positions);
      CHECK(bytes_of(read, positions) == bytes);
      CHECK(bytes_of(copied, positions) == bytes);
    }
  }
}

}  // namespace
}  // namespace gemma
