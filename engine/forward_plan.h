// Sizes of the forward pass that its parts and its plan of memory agree on.
#pragma once

#include <algorithm>
#include <cstddef>

#include "engine/linear.h"
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

// The most numbers of gate, and of up, that a worker has at a time of many tokens: both are 512 KB, half of a
// second-level cache, or what 32 columns of more than 2048 tokens take.
inline size_t gate_piece(size_t tokens) {
  return std::max(size_t{1} << 16, tokens * 2 * kernels::kPanelRows);
}
// Columns of gate and up that a worker takes at a time.
inline Grain gate_grain(size_t width, size_t hidden_size, size_t tokens, size_t threads) {
  constexpr size_t kRows = 2 * kernels::kPanelRows;
  Grain grain = linear_grain(width, hidden_size, tokens, threads);
  grain.items = std::min(gate_piece(tokens) / std::max<size_t>(tokens, 1) / kRows * kRows, grain.items);
  return grain;
}
// Whether a worker's numbers of gate and up end in its levels for `down` and are read by nobody else.
inline bool passes_gate(const InputFormat& down, size_t tokens, const Grain& grain) {
  return tokens > kFewTokens && !reads_rows(down) && takes_pieces(down, grain.items);
}

// Rows that the experts of one batch have between them: all of a token, or as many as a chunk has tokens.
inline size_t expert_rows(const ModelConfig& config, size_t chunk) {
  return config.experts > 0 ? std::max(chunk, config.experts_per_token) : 0;
}

}  // namespace gemma
