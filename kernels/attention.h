// Attention of many queries over the keys and values of one KV head, a span of keys at a time.
//
// A query keeps three things of the keys it has seen (the online softmax of Milakov and Gimelshein, 2018):
//
//   largest   its greatest score s = q . k
//   sum       sum of exp(s - largest)
//   mix       sum of exp(s - largest) * v, (head_dim)
//
// attention_span() makes them for one span of keys, attention_merge() joins two; mix / sum is the output.
// Inside a span the keys are taken in blocks of kKeyBlock that begin at absolute positions. What a query gets
// depends on its own position and on where spans begin, never on the queries beside it: so a caller whose
// spans begin at absolute positions (kv_span() below) and are merged in ascending order gets the same bits
// for any chunking and any number of threads.
//
// Queries that share a KV head are computed together, each key and value loaded once for several of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kv_type.h"

namespace gemma::kernels {

inline constexpr size_t kKeyBlock = 64;
inline constexpr size_t kAttentionScratch = 8 * kKeyBlock;  // floats

// Keys of a span: few enough that a window of 512 gives threads work without parting the heads of a KV head, each
// part of which would read all keys; enough that the states of a long context stay small (131072 positions: 128).
inline constexpr size_t kSlidingSpan = 128, kFullSpan = 1024;
constexpr size_t kv_span(bool full_attention) {
  return full_attention ? kFullSpan : kSlidingSpan;
}

// Heads [0, heads) of positions [position, position + positions): normed and roped.
struct AttentionQueries {
  const float* q = nullptr;  // head h of position t at q + t * stride + h * head_dim
  size_t stride = 0;
  size_t position = 0;
  size_t positions = 0;
  size_t heads = 0;
  size_t head_dim = 0;
  size_t window = 0;  // position p sees the keys of max(0, p + 1 - window) .. p; > p: all of them
  size_t count() const { return positions * heads; }
};

// A ring of slots: the key of position p is at k + p % slots * slot_stride.
struct KeyValues {
  const void* k = nullptr;
  const void* v = nullptr;
  KvType type = KvType::kF32;
  size_t slot_stride = 0;  // elements
  size_t slots = 0;
  // kInt8 only, one number for each slot: a score is (q . levels) * its key's scale, and a weight goes into
  // `mix` as weight * its value's scale; into `sum` it goes as it is.
  const float* k_scales = nullptr;
  const float* v_scales = nullptr;
};

struct AttentionState {
  float* largest = nullptr;  // (positions, heads); -inf while no key was seen
  float* sum = nullptr;      // (positions, heads)
  float* mix = nullptr;      // head h of position t at mix + t * mix_stride + h * head_dim
  size_t mix_stride = 0;
};

}  // namespace gemma::kernels
