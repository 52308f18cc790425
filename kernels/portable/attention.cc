// Attention in plain C++: what kernels/attention.h means, query by query and key by key, in blocks as there.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/kernel_table.h"
#include "kernels/quantize.h"

namespace gemma::kernels {
namespace {

constexpr size_t kLanes = 16;
constexpr float kNothing = -std::numeric_limits<float>::infinity();

float stored(const void* row, KvType type, size_t i) {
  if (type == KvType::kF32) return static_cast<const float*>(row)[i];
  if (type == KvType::kInt8) return static_cast<const int8_t*>(row)[i];
  const uint16_t half = static_cast<const uint16_t*>(row)[i];
  return type == KvType::kBf16 ? from_bf16(half) : from_f16(half);
}

const void* slot_of(const void* rows, const KeyValues& kv, size_t position) {
  return static_cast<const std::byte*>(rows) +
         position % kv.slots * kv.slot_stride * bytes_per_number(kv.type);
}

float scaled(float x, const float* scales, const KeyValues& kv, size_t position) {
  return has_scale(kv.type) ? x * scales[position % kv.slots] : x;
}

// One query over one block of keys [first, last).
void attend(const float* q, size_t head_dim, const KeyValues& kv, size_t first, size_t last, float* weights,
            float& largest, float& sum, float* mix) {
  float highest = largest;
  for (size_t p = first; p < last; ++p) {
    const void* key = slot_of(kv.k, kv, p);
    float lanes[kLanes] = {};  // as a vector unit would: a plain chain of 512 errs four times as much
    for (size_t d = 0; d < head_dim; ++d) lanes[d % kLanes] += q[d] * stored(key, kv.type, d);
    float& score = weights[p - first] = 0;
    for (float lane : lanes) score += lane;
    score = scaled(score, kv.k_scales, kv, p);
    highest = std::max(highest, score);
  }
  if (largest != kNothing) {
    const float factor = std::exp(largest - highest);
    sum *= factor;
    for (size_t d = 0; d < head_dim; ++d) mix[d] *= factor;
  }
  largest = highest;
  for (size_t p = first; p < last; ++p) {
    const float weight = std::exp(weights[p - first] - highest);
    const void* value = slot_of(kv.v, kv, p);
    sum += weight;
    const float share = scaled(weight, kv.v_scales, kv, p);
    for (size_t d = 0; d < head_dim; ++d) mix[d] += share * stored(value, kv.type, d);
  }
}

void attention_span(const AttentionQueries& q, const KeyValues& kv, size_t key_begin, size_t key_end,
                    const AttentionState& state, float* scratch) {
  for (size_t i = 0; i < q.count(); ++i) {
    const size_t t = i / q.heads, column = i % q.heads * q.head_dim;
    const size_t position = q.position + t;
    const size_t begin = std::max(key_begin, position + 1 > q.window ? position + 1 - q.window : 0);
    const size_t end = std::min(key_end, position + 1);
    float* mix = state.mix + t * state.mix_stride + column;
    state.largest[i] = kNothing;
    state.sum[i] = 0;
    std::fill_n(mix, q.head_dim, 0.0f);
    for (size_t block = begin / kKeyBlock * kKeyBlock; block < end; block += kKeyBlock) {
      attend(q.q + t * q.stride + column, q.head_dim, kv, std::max(block, begin),
             std::min(block + kKeyBlock, end), scratch, state.largest[i], state.sum[i], mix);
    }
  }
}

void attention_merge(const AttentionQueries& q, const AttentionState& into, const AttentionState& from) {
  for (size_t i = 0; i < q.count(); ++i) {
    if (from.largest[i] == kNothing) continue;
    const size_t t = i / q.heads, column = i % q.heads * q.head_dim;
    float* mix = into.mix + t * into.mix_stride + column;
    const float* other = from.mix + t * from.mix_stride + column;
    const float largest = std::max(into.largest[i], from.largest[i]);
    const float keep = into.largest[i] == kNothing ? 0 : std::exp(into.largest[i] - largest);
    const float take = std::exp(from.largest[i] - largest);
    into.largest[i] = largest;
    into.sum[i] = into.sum[i] * keep + from.sum[i] * take;
    for (size_t d = 0; d < q.head_dim; ++d) mix[d] = mix[d] * keep + other[d] * take;
  }
}

void attention_finish(const AttentionQueries& q, const AttentionState& state) {
  for (size_t i = 0; i < q.count(); ++i) {
    float* mix = state.mix + i / q.heads * state.mix_stride + i % q.heads * q.head_dim;
    for (size_t d = 0; d < q.head_dim; ++d) mix[d] *= 1.0f / state.sum[i];
  }
}

}  // namespace

void fill_attention_portable(KernelTable& table) {
  table.attention_span = attention_span;
  table.attention_merge = attention_merge;
  table.attention_finish = attention_finish;
}

}  // namespace gemma::kernels
