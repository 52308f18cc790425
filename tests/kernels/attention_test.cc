// Attention on every instruction set: against softmax(q k) v in float64, and the promise that a query's bits
// depend neither on the queries computed beside it nor on who computes which span.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/kernel_table.h"

namespace gemma::kernels {
namespace {

struct Case {
  size_t position, positions, heads, head_dim, window, slots;
};

// Keys and values of one KV head in a ring that holds the newest `slots` positions before `end`; what is no
// longer or not yet there is NaN.
struct Ring {
  Ring(const KernelTable& k, KvType type, const Case& c, unsigned seed) : head_dim(c.head_dim) {
    std::mt19937 engine(seed);
    const size_t end = c.position + c.positions, n = c.slots * c.head_dim;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    keys.assign(n, nan);
    values.assign(n, nan);
    for (size_t p = end > c.slots ? end - c.slots : 0; p < end; ++p) {
      for (size_t d = 0; d < head_dim; ++d) {
        keys[p % c.slots * head_dim + d] = static_cast<float>(engine() % 2001) * 1e-3f - 1;
        values[p % c.slots * head_dim + d] = static_cast<float>(engine() % 2001) * 1e-3f - 1;
      }
    }
    view = {keys.data(), values.data(), type, head_dim, c.slots};
    if (type == KvType::kF32) return;
    half_keys.resize(n);
    half_values.resize(n);
    const auto convert = type == KvType::kBf16 ? k.float_to_bf16 : k.float_to_f16;
    const auto back = type == KvType::kBf16 ? k.bf16_to_float : k.f16_to_float;
    convert(keys.data(), half_keys.data(), n);
    convert(values.data(), half_values.data(), n);
    back(half_keys.data(), keys.data(), n);
    back(half_values.data(), values.data(), n);
    view.k = half_keys.data();
    view.v = half_values.data();
  }

  size_t head_dim;
  std::vector<float> keys, values;
  std::vector<uint16_t> half_keys, half_values;
  KeyValues view;
};

std::vector<float> random_queries(const Case& c, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<float> q(c.positions * c.heads * c.head_dim);
  const float scale = 4 / std::sqrt(static_cast<float>(c.head_dim));
  for (float& x : q) x = scale * (static_cast<float>(engine() % 2001) * 1e-3f - 1);
  return q;
}

AttentionQueries queries_of(const Case& c, const std::vector<float>& q) {
  return {q.data(), c.heads * c.head_dim, c.position, c.positions, c.heads, c.head_dim, c.window};
}

// All spans of `q`, merged in order.
std::vector<float> attend(const KernelTable& k, const AttentionQueries& q, const KeyValues& kv, size_t span) {
  const size_t width = q.heads * q.head_dim;
  std::vector<float> mix(q.positions * width), part(mix.size());
  std::vector<float> largest(q.count()), sum(q.count()), part_largest(q.count()), part_sum(q.count());
  const AttentionState all = {largest.data(), sum.data(), mix.data(), width};
  const AttentionState one = {part_largest.data(), part_sum.data(), part.data(), width};
  std::vector<float> scratch(kAttentionScratch);
  k.attention_span(q, kv, 0, span, all, scratch.data());
  for (size_t begin = span; begin < q.position + q.positions; begin += span) {
    k.attention_span(q, kv, begin, begin + span, one, scratch.data());
    k.attention_merge(q, all, one);
  }
  k.attention_finish(q, all);
  return mix;
}

std::vector<double> expected(const Case& c, const std::vector<float>& q, const Ring& ring) {
  std::vector<double> out;
  for (size_t i = 0; i < c.positions * c.heads; ++i) {
    const size_t position = c.position + i / c.heads;
    const size_t oldest = position + 1 > c.window ? position + 1 - c.window : 0;
    std::vector<double> scores, mixed(c.head_dim);
    double sum = 0;
    for (size_t p = oldest; p <= position; ++p) {
      double score = 0;
      for (size_t d = 0; d < c.head_dim; ++d) {
        score += static_cast<double>(q[i * c.head_dim + d]) * ring.keys[p % c.slots * c.head_dim + d];
      }
      scores.push_back(score);
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    for (double& score : scores) sum += score = std::exp(score - largest);
    for (size_t p = oldest; p <= position; ++p) {
      for (size_t d = 0; d < c.head_dim; ++d) {
        mixed[d] += scores[p - oldest] / sum * ring.values[p % c.slots * c.head_dim + d];
      }
    }
    out.insert(out.end(), mixed.begin(), mixed.end());
  }
  return out;
}

constexpr size_t kAll = size_t{1} << 30;
const Case kCases[] = {
    {0, 1, 1, 8, kAll, 1},          // the first token
    {0, 70, 2, 32, kAll, 70},       // a prompt
    {80, 1, 8, 256, 44, 50},        // a ring that wraps, one KV head for eight
    {130, 5, 4, 100, 64, 80},       // windows that begin inside blocks; an odd head_dim
    {1030, 2, 3, 512, kAll, 1032},  // more than one full span
    {600, 9, 2, 36, 512, 520},      // windows over three sliding spans
};

template <typename Test>
void on_every_isa_and_type(const Test& test) {
  for (Isa isa : supported_isas()) {
    for (KvType type : {KvType::kF32, KvType::kBf16, KvType::kF16}) {
      CAPTURE(to_string(isa));
      CAPTURE(static_cast<int>(type));
      test(kernel_table(isa), type);
    }
  }
}

TEST_CASE("attention over a ring equals softmax(q k) v in float64, for every KV type") {
  on_every_isa_and_type([](const KernelTable& k, KvType type) {
    for (const Case& c : kCases) {
      const Ring ring(k, type, c, 13);
      const std::vector<float> q = random_queries(c, 12);
      for (size_t span : {kSlidingSpan, kFullSpan}) {
        const std::vector<float> found = attend(k, queries_of(c, q), ring.view, span);
        const std::vector<double> wanted = expected(c, q, ring);
        double error = 0, norm = 0;
        for (size_t i = 0; i < found.size(); ++i) {
          error += (found[i] - wanted[i]) * (found[i] - wanted[i]);
          norm += wanted[i] * wanted[i];
        }
        CHECK(std::sqrt(error / norm) <= 2e-6);
      }
    }
  });
}

TEST_CASE("a query gets the same bits alone as among others") {
  on_every_isa_and_type([](const KernelTable& k, KvType type) {
    for (const Case& c : kCases) {
      const Ring ring(k, type, c, 15);
      const std::vector<float> q = random_queries(c, 14);
      const std::vector<float> together = attend(k, queries_of(c, q), ring.view, kSlidingSpan);
      for (size_t i = 0; i < c.positions * c.heads; ++i) {
        AttentionQueries one = queries_of(c, q);
        one.q += i * c.head_dim;
        one.position += i / c.heads;
        one.positions = one.heads = 1;
        const std::vector<float> alone = attend(k, one, ring.view, kSlidingSpan);
        CHECK(std::memcmp(alone.data(), together.data() + i * c.head_dim, c.head_dim * sizeof(float)) == 0);
      }
    }
  });
}

TEST_CASE("spans without visible keys leave no trace") {
  on_every_isa_and_type([](const KernelTable& k, KvType type) {
    const Case c = {80, 3, 2, 32, 20, 40};
    const Ring ring(k, type, c, 17);
    const std::vector<float> q = random_queries(c, 16);
    std::vector<float> mix(c.positions * c.heads * c.head_dim, 7), largest(6, 7), sum(6, 7);
    std::vector<float> scratch(kAttentionScratch);
    const AttentionState state = {largest.data(), sum.data(), mix.data(), c.heads * c.head_dim};
    for (auto [begin, end] : {std::pair<size_t, size_t>{0, 61}, {83, 200}}) {
      k.attention_span(queries_of(c, q), ring.view, begin, end, state, scratch.data());
      CHECK(std::all_of(mix.begin(), mix.end(), [](float x) { return x == 0; }));
      CHECK(std::all_of(sum.begin(), sum.end(), [](float x) { return x == 0; }));
      CHECK(std::all_of(largest.begin(), largest.end(), [](float x) { return std::isinf(x) && x < 0; }));
    }
    // Merged into a state with content, nothing changes.
    std::vector<float> full_mix(mix.size()), full_largest(6), full_sum(6);
    const AttentionState full = {full_largest.data(), full_sum.data(), full_mix.data(), c.heads * c.head_dim};
    k.attention_span(queries_of(c, q), ring.view, 0, 200, full, scratch.data());
    const std::vector<float> before = full_mix;
    k.attention_merge(queries_of(c, q), full, state);
    CHECK(full_mix == before);
  });
}

}  // namespace
}  // namespace gemma::kernels
