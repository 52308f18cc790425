// Bytes that a decoding step reads, against sums by hand.
#include "engine/decode_traffic.h"

#include <doctest/doctest.h>

using namespace gemma;

TEST_CASE("matrices are read once, experts as far as one token is routed, embeddings only as the head") {
  ModelConfig config;
  config.experts = 8;
  config.experts_per_token = 2;
  const std::vector<PlannedWeight> weights = {
      {"embed", TensorClass::kEmbed, std::nullopt, 1000, 0, 1},
      {"head", TensorClass::kHead, std::nullopt, 500, 0, 1},
      {"q", TensorClass::kAttention, 0, 0, 30, 1},
      {"experts", TensorClass::kExperts, 0, 800, 0, 8},
      {"norm", TensorClass::kFloat, 0, 7, 0, 1},
  };
  CHECK(weight_bytes_per_token(config, weights) == 500 + 30 + 200 + 7);
}

TEST_CASE("a sliding layer reads its window, a full one everything, one that shares a cache as well") {
  ModelConfig config;
  config.sliding_window = 4;
  LayerConfig sliding, full, sharing;
  sliding.kv_heads = 1;
  sliding.head_dim = 8;
  full = sliding;
  full.full_attention = true;
  full.head_dim = 16;
  sharing = sliding;
  sharing.owns_kv = false;
  config.layers = {sliding, full, sharing};
  // At position 9 ten keys are there: 4 + 4 for the sliding layers. Keys and values of 2 bytes each.
  CHECK(kv_bytes_per_token(config, kernels::KvType::kF16, 9) == 2 * 2 * (4 * 8 + 10 * 16 + 4 * 8));
  CHECK(kv_bytes_per_token(config, kernels::KvType::kF32, 0) == 2 * 4 * (8 + 16 + 8));
  // A level each, and a float32 scale for each key and each value of a head.
  CHECK(kv_bytes_per_token(config, kernels::KvType::kInt8, 9) == 2 * (4 * 12 + 10 * 20 + 4 * 12));
}
