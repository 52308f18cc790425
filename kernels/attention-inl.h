// Attention in Highway, compiled once per instruction set by float_kernels.cc. What it computes is said in
// kernels/attention.h; portable/attention.cc is the same in plain C++.
//
// Per block of 64 keys: scores by tiles of kQueries queries and a few keys, whose sums are reduced four at a
// time; then the values by tiles of kQueries queries and a few vectors of the head. Tiles are high and narrow,
// so that a stored number is widened once for all eight queries of a KV head: 512 bits of float16 take two
// operations on the two ports that multiply, so 16 multiply-adds of 8 x 2 cost 20 there, of 4 x 4 they cost 24.
// Scales of int8 levels multiply the scores and the weights of a block, not its numbers.
//
// What comes from memory is read in few streams, and asked for: keys in three runs of the block side by side,
// values four whole rows at a time. Values taken by columns, all 64 rows of a block, are 64 slow streams, and came
// at a third of the speed (docs/decisions/008-attention-reads-in-streams.md).

#if defined(GEMMA_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA_ATTENTION_INL_H_
#undef GEMMA_ATTENTION_INL_H_
#else
#define GEMMA_ATTENTION_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/attention.h"
#include "kernels/float_vectors-inl.h"
#include "kernels/streams.h"

#if HWY_TARGET != HWY_SCALAR  // has no table: portable/ is plain C++
HWY_BEFORE_NAMESPACE();
namespace gemma::kernels {
namespace HWY_NAMESPACE {

// Registers that hold the sums of a tile: AVX2 has 16 in all, the others 32.
constexpr size_t kSums = HWY_TARGET == HWY_AVX2 ? 12 : 24;
constexpr size_t kQueries = HWY_TARGET == HWY_AVX2 ? 4 : 8;  // of the highest tile; the rest takes lower ones
static_assert(kQueries * kKeyBlock <= kAttentionScratch);
// Keys of a tile of T queries, and vectors of the head, of which there is a power of two.
template <size_t T>
constexpr size_t kKeys = std::min<size_t>(4, kSums / T);
template <size_t T>
constexpr size_t kMixVectors = std::min<size_t>(8, std::bit_floor(kSums / T));
constexpr float kNothing = -std::numeric_limits<float>::infinity();

// The sum of v's four-lane blocks: lane i of the result adds the lanes congruent to i.
template <class V>
HWY_INLINE auto fold(V v) {
  const hn::DFromV<V> d;
  if constexpr (hn::MaxLanes(hn::DFromV<V>()) == 4) {
    return v;
  } else {
    const hn::Half<decltype(d)> half;
    return fold(hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

// Stores the sums of four vectors. The additions are the same for each of them.
HWY_INLINE void store_sums(Vector a, Vector b, Vector c, Vector d, float* sums) {
  const hn::Repartition<uint64_t, Floats> pairs;
  const auto ab =
      hn::BitCast(pairs, hn::Add(hn::InterleaveLower(kFloats, a, b), hn::InterleaveUpper(kFloats, a, b)));
  const auto cd =
      hn::BitCast(pairs, hn::Add(hn::InterleaveLower(kFloats, c, d), hn::InterleaveUpper(kFloats, c, d)));
  const Vector abcd = hn::Add(hn::BitCast(kFloats, hn::InterleaveLower(pairs, ab, cd)),
                              hn::BitCast(kFloats, hn::InterleaveUpper(pairs, ab, cd)));
  hn::StoreU(fold(abcd), hn::CappedTag<float, 4>(), sums);
}

// Asks for memory that will be read soon; it may lie beyond the cache: asking never faults.
template <int kLevel>
HWY_INLINE void ask(const void* line, size_t bytes_ahead) {
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(line) + bytes_ahead), 0,
                     kLevel);
}
constexpr size_t kLineBytes = 64;

// scores[t * K + i] = q[t] . k[i]. With kAsks each key's line is a place in a stream, of which what lies ahead is
// asked for as of a panel's (kernels/streams.h). kTail: head_dim is no whole number of vectors. Apart, because
// with it GCC keeps the sums in memory.
template <size_t T, size_t K, bool kAsks, bool kTail, typename Stored>
HWY_INLINE void score_tile(const float* const (&q)[T], const Stored* const (&k)[K], size_t head_dim,
                           float (&scores)[T * K]) {
  static_assert(T * K % 4 == 0);
  const size_t lanes = hn::Lanes(kFloats);
  Vector acc[T * K];
  // Told to unroll, GCC keeps the sums in registers from the beginning (2 to 3 % faster with AVX-512).
#pragma GCC unroll 32
  for (size_t i = 0; i < T * K; ++i) acc[i] = hn::Zero(kFloats);
  const auto add = [&](size_t d) HWY_ATTR {
    Vector key[K];
#pragma GCC unroll 4
    for (size_t i = 0; i < K; ++i) key[i] = load(k[i] + d);
#pragma GCC unroll 8
    for (size_t t = 0; t < T; ++t) {
      const Vector query = in_register(hn::LoadU(kFloats, q[t] + d));
#pragma GCC unroll 4
      for (size_t i = 0; i < K; ++i) acc[t * K + i] = hn::MulAdd(query, key[i], acc[t * K + i]);
    }
  };
  size_t d = 0;
  for (constexpr size_t kLine = kLineBytes / sizeof(Stored); d + kLine <= head_dim; d += kLine) {
    for (size_t i = 0; i < K && kAsks; ++i) ask_ahead<kStreams, 1>(k[i] + d);
    for (size_t i = 0; i < kLine; i += lanes) add(d + i);
  }
  for (; d + lanes <= head_dim; d += lanes) add(d);
  if constexpr (kTail) {
    for (size_t t = 0; t < T; ++t) {
      const Vector query = load_tail(q[t] + d, head_dim - d);
      for (size_t i = 0; i < K; ++i) {
        acc[t * K + i] = hn::MulAdd(query, load_tail(k[i] + d, head_dim - d), acc[t * K + i]);
      }
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < T * K; i += 4) store_sums(acc[i], acc[i + 1], acc[i + 2], acc[i + 3], scores + i);
}

// mix[t][0 .. V * lanes) += sum over the keys, in ascending order, of weight * value. With kAsks the values are
// a stream too.
template <size_t T, size_t V, bool kAsks, typename Stored>
HWY_INLINE void mix_tile(float* const (&mix)[T], const float* weights, const Stored* const* values,
                         size_t keys, size_t d) {
  const size_t lanes = hn::Lanes(kFloats);
  Vector acc[T][V];
  for (size_t t = 0; t < T; ++t) {
    for (size_t i = 0; i < V; ++i) acc[t][i] = hn::LoadU(kFloats, mix[t] + d + i * lanes);
  }
  for (size_t key = 0; key < keys; ++key) {
    Vector value[V];
    for (size_t i = 0; i < V; ++i) value[i] = load(values[key] + d + i * lanes);
    for (size_t byte = 0; byte < V * lanes * sizeof(Stored) && kAsks; byte += kLineBytes) {
      ask<3>(values[key] + d, byte + 4096);
      ask<2>(values[key] + d, byte + 16384);
    }
    for (size_t t = 0; t < T; ++t) {
      const Vector weight = hn::Set(kFloats, weights[t * kKeyBlock + key]);
      for (size_t i = 0; i < V; ++i) acc[t][i] = hn::MulAdd(weight, value[i], acc[t][i]);
    }
  }
  for (size_t t = 0; t < T; ++t) {
    for (size_t i = 0; i < V; ++i) hn::StoreU(acc[t][i], kFloats, mix[t] + d + i * lanes);
  }
}

// The same of whole heads and all keys of a block.
template <size_t T, bool kAsks, typename Stored>
HWY_NOINLINE void mix_block(float* const (&mix)[T], const float* weights, const Stored* const* values,
                            size_t keys, size_t head_dim) {
  const size_t lanes = hn::Lanes(kFloats);
  constexpr size_t V = kMixVectors<T>;
  constexpr size_t kTogether = kAsks ? 4 : kKeyBlock;  // from the cache, longer sums are stored less often
  for (size_t first = 0; first < keys; first += kTogether) {
    const size_t n = std::min(kTogether, keys - first);
    const Stored* const* some = values + first;
    size_t d = 0;
    for (; d + V * lanes <= head_dim; d += V * lanes) {
      mix_tile<T, V, kAsks>(mix, weights + first, some, n, d);
    }
    for (; d + lanes <= head_dim; d += lanes) mix_tile<T, 1, kAsks>(mix, weights + first, some, n, d);
    for (size_t t = 0; t < T && d < head_dim; ++t) {
      Vector acc = load_tail(mix[t] + d, head_dim - d);
      for (size_t key = 0; key < n; ++key) {
        const Vector weight = hn::Set(kFloats, weights[t * kKeyBlock + first + key]);
        acc = hn::MulAdd(weight, load_tail(some[key] + d, head_dim - d), acc);
      }
      store_n(acc, mix[t] + d, head_dim - d);
    }
  }
}

HWY_INLINE void scale_row(float* x, float factor, size_t n) {
  const Vector f = hn::Set(kFloats, factor);
  for_each_vector(
      n, [&](size_t i, size_t lanes) HWY_ATTR { store_n(hn::Mul(load_n(x + i, lanes), f), x + i, lanes); });
}

// exp in one lane of the vector function, so that all weights come from one definition.
HWY_INLINE float exp1(float x) {
  return hn::GetLane(hn::Exp(kFloats, hn::Set(kFloats, x)));
}

// A block of scores of one query, of which [low, high) are of keys that it sees, becomes weights; those of
// the other keys become 0. What was gathered before is scaled if a greater score appears.
HWY_INLINE void soften(float* scores, size_t low, size_t high, float& largest, float& sum, float* mix,
                       size_t head_dim) {
  std::fill(scores, scores + low, kNothing);
  std::fill(scores + high, scores + kKeyBlock, kNothing);
  const size_t lanes = hn::Lanes(kFloats);
  Vector peak = hn::LoadU(kFloats, scores);
  for (size_t i = lanes; i < kKeyBlock; i += lanes) peak = hn::Max(peak, hn::LoadU(kFloats, scores + i));
  const float highest = std::max(largest, hn::GetLane(hn::MaxOfLanes(kFloats, peak)));
  if (highest > largest) {
    if (largest != kNothing) {
      const float factor = exp1(largest - highest);
      sum *= factor;
      scale_row(mix, factor, head_dim);
    }
    largest = highest;
  }
  const Vector m = hn::Set(kFloats, highest);
  Vector total = hn::Zero(kFloats);
  for (size_t i = 0; i < kKeyBlock; i += lanes) {
    const Vector score = hn::LoadU(kFloats, scores + i);
    const Vector weight =
        hn::IfThenElseZero(hn::Gt(score, hn::Set(kFloats, kNothing)), hn::Exp(kFloats, hn::Sub(score, m)));
    hn::StoreU(weight, kFloats, scores + i);
    total = hn::Add(total, weight);
  }
  sum += hn::GetLane(hn::SumOfLanes(kFloats, total));
}

// The keys [first, last) of one block, as far as any query sees them.
template <typename Stored>
struct KeysOfBlock {
  size_t block;  // position where it begins
  size_t first, last;
  const Stored* keys[kKeyBlock];
  const Stored* values[kKeyBlock];
  // Of int8 levels, each at its key's place in the block.
  float key_scales[kKeyBlock] = {}, value_scales[kKeyBlock] = {};
  size_t count() const { return last - first; }
};

// x *= scales, for all places of a block. What stands at the places of other keys does not matter.
HWY_INLINE void scale_block(float* x, const float* scales) {
  for (size_t i = 0; i < kKeyBlock; i += hn::Lanes(kFloats)) {
    hn::StoreU(hn::Mul(hn::LoadU(kFloats, x + i), hn::LoadU(kFloats, scales + i)), kFloats, x + i);
  }
}

// Queries [i, i + T) over one block; scratch is (T, kKeyBlock). Weights sit at their key's place in the
// block, so that their sum has one order whatever keys the other queries see. The first queries of a block
// ask for the memory that follows; the others find theirs in the cache.
template <size_t T, bool kAsks, typename Stored>
HWY_NOINLINE void attend(const AttentionQueries& q, size_t i, const KeysOfBlock<Stored>& block,
                         const AttentionState& state, float* scratch) {
  const float* rows[T];
  float* mix[T];
  for (size_t t = 0; t < T; ++t) {
    const size_t position = (i + t) / q.heads, column = (i + t) % q.heads * q.head_dim;
    rows[t] = q.q + position * q.stride + column;
    mix[t] = state.mix + position * state.mix_stride + column;
  }
  const size_t offset = block.first - block.block;
  constexpr size_t K = kKeys<T>;
  const auto score = [&](size_t key, size_t apart) HWY_ATTR {
    const Stored* some[K];
    for (size_t j = 0; j < K; ++j) some[j] = block.keys[key + j * apart];
    float tile[T * K];
    if (q.head_dim % hn::Lanes(kFloats) == 0) {
      score_tile<T, K, kAsks, false>(rows, some, q.head_dim, tile);
    } else {
      score_tile<T, K, false, true>(rows, some, q.head_dim, tile);
    }
    float* scores = scratch + offset + key;
    for (size_t t = 0; t < T; ++t) {
      for (size_t j = 0; j < K; ++j) scores[t * kKeyBlock + j * apart] = tile[t * K + j];
    }
  };
  // K runs of keys side by side: memory gives more to several streams.
  const size_t run = block.count() / K;
  for (size_t key = 0; key < run; ++key) score(key, run);
  for (size_t key = K * run; key < block.count(); ++key) score(key, 0);
  size_t lows[T], highs[T];                            // keys that each sees,
  size_t all_from = block.first, all_to = block.last;  // and those that all see
  for (size_t t = 0; t < T; ++t) {
    const size_t position = q.position + (i + t) / q.heads;
    const size_t low = std::max(block.first, position + 1 > q.window ? position + 1 - q.window : 0);
    const size_t high = std::min(block.last, position + 1);
    lows[t] = low;
    highs[t] = std::max(low, high);
    all_from = std::max(all_from, lows[t]);
    all_to = std::min(all_to, highs[t]);
    float* weights = scratch + t * kKeyBlock;
    if constexpr (std::is_same_v<Stored, int8_t>) scale_block(weights, block.key_scales);
    if (low < high) {
      soften(weights, low - block.block, high - block.block, state.largest[i + t], state.sum[i + t], mix[t],
             q.head_dim);
    } else {
      std::fill_n(weights, kKeyBlock, 0.0f);
    }
    if constexpr (std::is_same_v<Stored, int8_t>) scale_block(weights, block.value_scales);
  }
  // Nobody's mix meets the value of a key that it does not see: 0 times infinity is no number. Queries of one
  // position see the same keys, and are the rule.
  const auto mix_one = [&](size_t t, size_t from, size_t to) HWY_ATTR {
    if (from >= to) return;
    float* const one[1] = {mix[t]};
    mix_block<1, false>(one, scratch + t * kKeyBlock + (from - block.block),
                        block.values + (from - block.first), to - from, q.head_dim);
  };
  if (all_from >= all_to) {
    for (size_t t = 0; t < T; ++t) mix_one(t, lows[t], highs[t]);
    return;
  }
  for (size_t t = 0; t < T; ++t) mix_one(t, lows[t], all_from);
  mix_block<T, kAsks>(mix, scratch + (all_from - block.block), block.values + (all_from - block.first),
                      all_to - all_from, q.head_dim);
  for (size_t t = 0; t < T; ++t) mix_one(t, all_to, highs[t]);
}

// Queries [i, q.count()) over one block, as many together as can be. After the first kQueries the block is in the
// cache; a few left over ask again, which costs little.
template <size_t T, typename Stored>
HWY_INLINE void attend_from(const AttentionQueries& q, size_t i, const KeysOfBlock<Stored>& block,
                            const AttentionState& state, float* scratch) {
  for (; i + T <= q.count(); i += T) {
    if (i == 0 || T < kQueries) {
      attend<T, true>(q, i, block, state, scratch);
    } else if constexpr (T == kQueries) {
      attend<T, false>(q, i, block, state, scratch);
    }
  }
  if constexpr (T > 1) attend_from<T / 2>(q, i, block, state, scratch);
}

template <typename Stored>
HWY_INLINE void span_as(const AttentionQueries& q, const KeyValues& kv, size_t key_begin, size_t key_end,
                        const AttentionState& state, float* scratch) {
  for (size_t i = 0; i < q.count(); ++i) {
    state.largest[i] = kNothing;
    state.sum[i] = 0;
    std::fill_n(state.mix + i / q.heads * state.mix_stride + i % q.heads * q.head_dim, q.head_dim, 0.0f);
  }
  // What any of the queries sees.
  const size_t begin = std::max(key_begin, q.position + 1 > q.window ? q.position + 1 - q.window : 0);
  const size_t end = std::min(key_end, q.position + q.positions);
  KeysOfBlock<Stored> block;
  for (block.block = begin / kKeyBlock * kKeyBlock; block.block < end; block.block += kKeyBlock) {
    block.first = std::max(block.block, begin);
    block.last = std::min(block.block + kKeyBlock, end);
    for (size_t key = 0, slot = block.first % kv.slots; key < block.count(); ++key) {
      block.keys[key] = static_cast<const Stored*>(kv.k) + slot * kv.slot_stride;
      block.values[key] = static_cast<const Stored*>(kv.v) + slot * kv.slot_stride;
      if constexpr (std::is_same_v<Stored, int8_t>) {
        const size_t place = block.first - block.block + key;
        block.key_scales[place] = kv.k_scales[slot];
        block.value_scales[place] = kv.v_scales[slot];
      }
      if (++slot == kv.slots) slot = 0;
    }
    attend_from<kQueries>(q, 0, block, state, scratch);
  }
}

inline void attention_span(const AttentionQueries& q, const KeyValues& kv, size_t key_begin, size_t key_end,
                           const AttentionState& state, float* scratch) {
  switch (kv.type) {
    case KvType::kBf16:
      return span_as<hwy::bfloat16_t>(q, kv, key_begin, key_end, state, scratch);
    case KvType::kF16:
      return span_as<hwy::float16_t>(q, kv, key_begin, key_end, state, scratch);
    case KvType::kF32:
      return span_as<float>(q, kv, key_begin, key_end, state, scratch);
    case KvType::kInt8:
      return span_as<int8_t>(q, kv, key_begin, key_end, state, scratch);
  }
}

inline void attention_merge(const AttentionQueries& q, const AttentionState& into,
                            const AttentionState& from) {
  for (size_t i = 0; i < q.count(); ++i) {
    if (from.largest[i] == kNothing) continue;
    const size_t t = i / q.heads, column = i % q.heads * q.head_dim;
    float* mix = into.mix + t * into.mix_stride + column;
    const float* other = from.mix + t * from.mix_stride + column;
    if (into.largest[i] == kNothing) {
      into.largest[i] = from.largest[i];
      into.sum[i] = from.sum[i];
      std::copy_n(other, q.head_dim, mix);
      continue;
    }
    const float largest = std::max(into.largest[i], from.largest[i]);
    const float keep = exp1(into.largest[i] - largest), take = exp1(from.largest[i] - largest);
    into.largest[i] = largest;
    into.sum[i] = into.sum[i] * keep + from.sum[i] * take;
    const Vector a = hn::Set(kFloats, keep), b = hn::Set(kFloats, take);
    for_each_vector(q.head_dim, [&](size_t d, size_t lanes) HWY_ATTR {
      store_n(hn::MulAdd(load_n(mix + d, lanes), a, hn::Mul(load_n(other + d, lanes), b)), mix + d, lanes);
    });
  }
}

inline void attention_finish(const AttentionQueries& q, const AttentionState& state) {
  for (size_t i = 0; i < q.count(); ++i) {
    scale_row(state.mix + i / q.heads * state.mix_stride + i % q.heads * q.head_dim, 1.0f / state.sum[i],
              q.head_dim);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma::kernels
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET != HWY_SCALAR

#endif  // GEMMA_ATTENTION_INL_H_
