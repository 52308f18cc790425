// Attention of a layer: q, k and v, the cache, the heads, the output projection.
#include <algorithm>
#include <cstring>

#include "engine/forward.h"
#include "engine/forward_plan.h"

namespace gemma {

void Forward::attention(Worker& me, size_t index, Rows& rows, size_t dropped, KvCache& cache) {
  const LayerConfig& layer = config_->layers[index];
  const LayerWeights& w = weights_->layers[index];
  const size_t d = config_->hidden_size;
  const size_t hd = layer.head_dim;
  const size_t pairs = hd / 2;
  const size_t kv_width = layer.kv_heads * hd;
  const size_t q_width = config_->heads * hd;
  float* k = k_.as<float>();
  float* v = v_.as<float>();
  float* q = q_.as<float>();
  const float* cos = row(cos_[layer.full_attention], rows, pairs);
  const float* sin = row(sin_[layer.full_attention], rows, pairs);

  const auto cache_head = [&](size_t r, size_t head) {
    float* key = k + r * kv_width + head * hd;
    float* value = v + r * kv_width + head * hd;
    if (layer.k_eq_v) std::memcpy(value, key, hd * sizeof(float));
    norm(key, w.k_norm, hd, key);
    kernels_->rope(key, cos + r * pairs, sin + r * pairs, hd);
    norm(value, {}, hd, value);
    cache.write_head(*kernels_, index, rows.first + r, head, key, value);
  };

  float* normed = row(normed_, rows, d);
  norm_rows(me, row(x_, rows, d), w.input_norm, rows.count, d, normed);
  LinearInput input(linear_, normed, rows.count, d);
  if (layer.owns_kv) {
    input.prepare(*kernels_, me, w.k.input());
    expect(me, w.q, rows.count);
    multiply_ahead(me, w.k, input, k, kv_width);
    if (!layer.k_eq_v) multiply_ahead(me, w.v, input, v, kv_width);
  }
  if (dropped == 0) {
    input.prepare(*kernels_, me, w.q.input());
    expect(me, w.o, rows.count);
    ask_for_keys(me, index, rows, cache);
    multiply_ahead(me, w.q, input, q, q_width);
  }
  me.meet();
  if (layer.owns_kv) {
    me.share(rows.count * layer.kv_heads,
             [&](size_t i) { cache_head(i / layer.kv_heads, i % layer.kv_heads); });
  }
  if (dropped > 0) {
    me.meet();
    rows.keep_from(dropped);
    if (rows.count == 0) return;
    LinearInput rest(linear_, row(normed_, rows, d), rows.count, d);
    multiply_ahead(me, w.q, rest, q, q_width);
    if (rows.count == 1) me.meet();
  }
  if (rows.count == 1) {
    me.share(config_->heads, [&](size_t head) { turn_query(index, rows, 0, head); });
  }
  me.meet();

  LinearInput mixed(linear_, mixed_.as<float>(), rows.count, q_width);
  if (rows.count == 1) {
    attend_in_spans(me, index, rows, cache, mixed);
  } else {
    attend(me, index, rows, cache, mixed);
  }
  float* branch = branch_.as<float>();
  mixed.prepare(*kernels_, me, w.o.input());
  expect(me, w.gate, rows.count);
  multiply(me, w.o, mixed, branch, d);
  add_normed(me, branch, w.post_attention_norm, rows.count, row(x_, rows, d));
}

void Forward::turn_query(size_t index, const Rows& rows, size_t r, size_t head) {
  const LayerConfig& layer = config_->layers[index];
  const size_t hd = layer.head_dim, pairs = hd / 2;
  float* query = q_.as<float>() + (r * config_->heads + head) * hd;
  norm(query, weights_->layers[index].q_norm, hd, query);
  kernels_->rope(query, row(cos_[layer.full_attention], rows, pairs) + r * pairs,
                 row(sin_[layer.full_attention], rows, pairs) + r * pairs, hd);
}

namespace {

// The window of a layer, in positions; of full attention more than there can be.
size_t window_of(const ModelConfig& config, const LayerConfig& layer) {
  return layer.full_attention ? config.max_positions + 1 : config.sliding_window;
}

}  // namespace

// Tiles of a few positions and all heads of one KV head, each computed whole by one worker, who also norms
// and turns its queries: by then they are in its cache.
void Forward::attend(Worker& me, size_t index, const Rows& rows, const KvCache& cache, LinearInput& mixed) {
  const LayerConfig& layer = config_->layers[index];
  const size_t hd = layer.head_dim;
  const size_t q_width = config_->heads * hd;
  const size_t group = config_->heads / layer.kv_heads;
  const bool in_pieces = mixed.in_pieces(weights_->layers[index].o.input(), group * hd);
  const size_t span = kernels::kv_span(layer.full_attention);
  const size_t positions = std::max<size_t>(1, kTileQueries / group);
  const size_t tiles = (rows.count + positions - 1) / positions;

  const TileStates states = tile_states(*config_);
  float* memory = tile_state_.as<float>() + me.thread() * states.floats;
  float* scratch = weights_of_keys_.as<float>() + me.thread() * kernels::kAttentionScratch;
  // Long tiles, the last positions, come first: the threads end together.
  me.take(tiles * layer.kv_heads, 1, [&](size_t item, size_t) {
    const size_t first = (tiles - 1 - item / layer.kv_heads) * positions;
    const size_t kv_head = item % layer.kv_heads;
    const size_t column = kv_head * group * hd;
    kernels::AttentionQueries q;
    q.q = q_.as<float>() + first * q_width + column;
    q.stride = q_width;
    q.position = rows.first + first;
    q.positions = std::min(positions, rows.count - first);
    q.heads = group;
    for (size_t i = 0; i < q.count(); ++i) {
      turn_query(index, rows, first + i / group, kv_head * group + i % group);
    }
    q.head_dim = hd;
    q.window = window_of(*config_, layer);
    const kernels::KeyValues kv = cache.view(layer.kv_source, kv_head);
    const kernels::AttentionState all = {memory, memory + states.queries,
                                         mixed_.as<float>() + first * q_width + column, q_width};
    const kernels::AttentionState one = {memory + 2 * states.queries, memory + 3 * states.queries,
                                         memory + 4 * states.queries, group * hd};
    const size_t oldest = q.position + 1 > q.window ? q.position + 1 - q.window : 0;
    const size_t end = q.position + q.positions;
    size_t begin = oldest / span * span;
    kernels_->attention_span(q, kv, begin, begin + span, all, scratch);
    for (begin += span; begin < end; begin += span) {
      kernels_->attention_span(q, kv, begin, begin + span, one, scratch);
      kernels_->attention_merge(q, all, one);
    }
    kernels_->attention_finish(q, all);
    for (size_t p = 0; p < q.positions && in_pieces; ++p) {
      mixed.make_piece(*kernels_, first + p, column, column + group * hd,
                       mixed_.as<float>() + (first + p) * q_width + column);
    }
  });
  if (!in_pieces) me.meet();
}

Forward::SpanItems Forward::span_items(const Worker& me, size_t index, size_t position) const {
  const LayerConfig& layer = config_->layers[index];
  const size_t window = window_of(*config_, layer);
  SpanItems items;
  items.span = kernels::kv_span(layer.full_attention);
  items.oldest = position + 1 > window ? position + 1 - window : 0;
  items.first_span = items.oldest / items.span;
  items.spans = position / items.span + 1 - items.first_span;
  items.heads = config_->heads;
  // Heads of one KV head stay together, so that keys are read once, unless workers would have nothing to do.
  constexpr size_t kFewHeads = 4;
  const size_t group = config_->heads / layer.kv_heads;
  const bool apart = layer.kv_heads * items.spans < 2 * me.threads() && group % kFewHeads == 0;
  items.together = apart ? kFewHeads : group;
  return items;
}

// For one position: the norms' weights, and the first block of keys and values of this worker's first item.
// What follows attention asks for itself; the newest key is yet to be made.
void Forward::ask_for_keys(const Worker& me, size_t index, const Rows& rows, const KvCache& cache) const {
  if (rows.count != 1) return;
  const size_t position = rows.first;
  const LayerConfig& layer = config_->layers[index];
  for (const auto* w : {&weights_->layers[index].q_norm, &weights_->layers[index].k_norm}) {
    me.ask(std::as_bytes(std::span(*w)));
  }
  const SpanItems items = span_items(me, index, position);
  const size_t item = items.count() * me.thread() / me.threads();
  const size_t begin = std::max(items.oldest, (items.first_span + items.span_of(item)) * items.span);
  const size_t block_end = (begin / kernels::kKeyBlock + 1) * kernels::kKeyBlock;
  const size_t head = items.head_of(item) / (items.heads / layer.kv_heads);
  const kernels::KeyValues kv = cache.view(layer.kv_source, head);
  const size_t slot = begin % kv.slots,
               keys = std::min({block_end, position, begin + kv.slots - slot}) - begin;
  const size_t row = kv_row_bytes(kv.type, layer.head_dim).numbers;
  for (const void* all : {kv.k, kv.v}) me.ask({static_cast<const std::byte*>(all) + slot * row, keys * row});
}

// One position: its spans are shared too, and then joined in order.
void Forward::attend_in_spans(Worker& me, size_t index, const Rows& rows, const KvCache& cache,
                              LinearInput& mixed) {
  const LayerConfig& layer = config_->layers[index];
  const size_t hd = layer.head_dim;
  const size_t heads = config_->heads;
  const size_t group = heads / layer.kv_heads;
  const bool in_pieces = mixed.in_pieces(weights_->layers[index].o.input(), hd);
  const SpanItems items = span_items(me, index, rows.first);
  kernels::AttentionQueries q;
  q.position = rows.first;
  q.positions = 1;
  q.head_dim = hd;
  q.window = window_of(*config_, layer);

  const auto state_of = [&](size_t s, size_t head) {
    float* memory = span_state_.as<float>() + s * heads * (hd + 2);
    return kernels::AttentionState{memory + head, memory + heads + head, memory + 2 * heads + head * hd,
                                   heads * hd};
  };
  float* scratch = weights_of_keys_.as<float>() + me.thread() * kernels::kAttentionScratch;
  me.take(items.count(), 1, [&](size_t item, size_t) {
    const size_t s = items.span_of(item), head = items.head_of(item);
    kernels::AttentionQueries some = q;
    some.q = q_.as<float>() + head * hd;
    some.heads = items.together;
    const size_t begin = (items.first_span + s) * items.span;
    kernels_->attention_span(some, cache.view(layer.kv_source, head / group), begin, begin + items.span,
                             state_of(s, head), scratch);
  });
  me.meet();
  me.share(heads, [&](size_t head) {
    kernels::AttentionQueries one = q;
    one.heads = 1;
    const kernels::AttentionState all = state_of(0, head);
    for (size_t s = 1; s < items.spans; ++s) kernels_->attention_merge(one, all, state_of(s, head));
    kernels_->attention_finish(one, all);
    float* to = mixed_.as<float>() + head * hd;
    std::memcpy(to, all.mix, hd * sizeof(float));
    if (in_pieces) mixed.make_piece(*kernels_, 0, head * hd, (head + 1) * hd, to);
  });
  if (!in_pieces) me.meet();
}

}  // namespace gemma
