// Sizes of the forward pass that its parts and its plan of memory agree on.
#pragma once

#include <algorithm>
#include <cstddef>

#include "loader/config.h"

namespace gemma {

// Rows of logits computed together: enough to reuse the head's weights, few enough that 262144 floats each do
// not matter (16 MB).
inline constexpr size_t kLogitRows = 16;

// Queries of an attention tile. They share each load of a key, and a block of 64 keys and values stays in the
// first two caches meanwhile.
inline constexpr size_t kTileQueries = 32;

// Memory of one thread for a tile: largest and sum of the tile, then those of one span and its mix.
struct TileStates {
  size_t queries;
  size_t floats;
};
inline TileStates tile_states(const ModelConfig& config) {
  size_t queries = kTileQueries, head_dim = 0;
  for (const LayerConfig& layer : config.layers) {
    queries = std::max(queries, config.heads / layer.kv_heads);
    head_dim = std::max(head_dim, layer.head_dim);
  }
  return {queries, queries * (4 + head_dim)};
}

// Rows that the experts of one batch have between them: all of a token, or as many as a chunk has tokens.
inline size_t expert_rows(const ModelConfig& config, size_t chunk) {
  return config.experts > 0 ? std::max(chunk, config.experts_per_token) : 0;
}

}  // namespace gemma
