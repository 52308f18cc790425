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
    if (type == KvType::kInt8) {
      view.k = quantize(k, keys, key_levels, key_scales);
      view.v = quantize(k, values, value_levels, value_scales);
      view.k_scales = key_scales.data();
      view.v_scales = value_scales.data();
      return;
    }
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

  // Rows become what their levels stand for; those of slots that hold nothing get a NaN for a scale.
  const int8_t* quantize(const KernelTable& k, std::vector<float>& rows, std::vector<int8_t>& levels,
                         std::vector<float>& scales) const {
    const size_t slots = rows.size() / head_dim;
    levels.resize(rows.size());
    scales.resize(slots);
    std::vector<int32_t> sums(slots);
    k.quantize_activations(rows.data(), slots, head_dim, head_dim, kKvLevels, levels.data(), scales.data(),
                           sums.data());
    for (size_t slot = 0; slot < slots; ++slot) {
      if (std::isnan(rows[slot * head_dim])) scales[slot] = std::numeric_limits<float>::quiet_NaN();
      for (size_t i = slot * head_dim; i < (slot + 1) * head_dim; ++i) {
        rows[i] = scales[slot] * static_cast<float>(levels[i]);
      }
    }
    return levels.data();
  }

  size_t head_dim;
  std::vector<float> keys, values;
  std::vector<uint16_t> half_keys, half_values;
  std::vector<int8_t> key_levels, value_levels;
  std::vector<float> key_scales, value_scales;
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
    for (KvType type : all_kv_types()) {
      CAPTURE(to_string(isa));
      CAPTURE(to_string(type));
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

// A value that a query does not see must not reach it, also where it is no number: 0 times that is none.
TEST_CASE("a value that is no number reaches the queries that see it and no others") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Case cases[] = {{80, 9, 1, 40, 6, 40},
                        {80, 9, 2, 40, kAll, 89},
                        {120, 12, 3, 64, kAll, 132},
                        {60, 9, 4, 40, 5, 30},
                        {130, 3, 1, 16, 2, 10}};
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    const KernelTable& k = kernel_table(isa);
    for (const Case& c : cases) {
      for (size_t bad = c.position; bad < c.position + c.positions; ++bad) {
        Ring ring(k, KvType::kF32, c, 19);
        std::fill_n(ring.values.data() + bad % c.slots * c.head_dim, c.head_dim, nan);
        const std::vector<float> q = random_queries(c, 18);
        const std::vector<float> mix = attend(k, queries_of(c, q), ring.view, kSlidingSpan);
        for (size_t t = 0; t < c.positions; ++t) {
          const size_t position = c.position + t;
          const bool sees = bad <= position && bad + c.window > position;
          for (size_t i = 0; i < c.heads * c.head_dim; ++i) {
            REQUIRE(std::isnan(mix[t * c.heads * c.head_dim + i]) == sees);
          }
        }
      }
    }
  }
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

TEST_CASE(
    "int8 levels at their ends, under zero, tiny and huge scales, give what the numbers they mean give") {
  constexpr size_t kSlots = 70, kDim = 36;
  const Case c = {kSlots - 3, 3, 2, kDim, kAll, kSlots};
  std::vector<int8_t> levels(kSlots * kDim);
  std::vector<float> key_scales(kSlots), value_scales(kSlots);
  for (size_t i = 0; i < levels.size(); ++i) levels[i] = i * 2654435761u % 97 < 48 ? 127 : -127;
  for (size_t slot = 0; slot < kSlots; ++slot) {
    key_scales[slot] = slot % 5 == 0 ? 0.0f : slot % 5 == 1 ? 1e-30f : 2e-3f;
    value_scales[slot] = slot % 7 == 0 ? 0.0f : slot % 7 == 1 ? 1e-30f : slot % 7 == 2 ? 1e30f : 1.0f;
  }
  Ring ring(kernel_table(Isa::kPortable), KvType::kF32, c, 1);
  for (size_t i = 0; i < levels.size(); ++i) {
    ring.keys[i] = key_scales[i / kDim] * static_cast<float>(levels[i]);
    ring.values[i] = value_scales[i / kDim] * static_cast<float>(levels[i]);
  }
  const std::vector<float> q = random_queries(c, 3);
  const std::vector<double> wanted = expected(c, q, ring);
  const KeyValues view = {levels.data(), levels.data(),     KvType::kInt8,      kDim,
                          kSlots,        key_scales.data(), value_scales.data()};
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    const std::vector<float> found = attend(kernel_table(isa), queries_of(c, q), view, kSlidingSpan);
    for (size_t i = 0; i < found.size(); ++i) {
      // Of the huge values, which cancel each other in part, each sum keeps a few units of its last place.
      CHECK(std::fabs(found[i] - wanted[i]) <= 1e26);
    }
  }
}

TEST_CASE("a row of zeros, one beside a huge number and one with a NaN are read back as int8 says") {
  constexpr size_t kDim = 8;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (Isa isa : supported_isas()) {
    CAPTURE(to_string(isa));
    const KernelTable& k = kernel_table(isa);
    const Case one = {0, 1, 1, kDim, kAll, 1};
    const auto output_for = [&](std::vector<float> row) {  // a single key: its value comes out
      Ring ring(k, KvType::kF32, one, 1);
      ring.values = std::move(row);
      std::vector<int8_t> key_levels(kDim), levels(kDim);
      float key_scale, scale;
      int32_t sum;
      k.quantize_activations(ring.keys.data(), 1, kDim, kDim, kKvLevels, key_levels.data(), &key_scale, &sum);
      k.quantize_activations(ring.values.data(), 1, kDim, kDim, kKvLevels, levels.data(), &scale, &sum);
      const KeyValues view = {key_levels.data(), levels.data(), KvType::kInt8, kDim, 1, &key_scale, &scale};
      return attend(k, queries_of(one, random_queries(one, 2)), view, kSlidingSpan);
    };
    CHECK(output_for(std::vector<float>(kDim)) == std::vector<float>(kDim));
    // 1e6 is one level of 1.27e8; 1 rounds to none.
    CHECK(output_for({1.27e8f, 1e6f, 1, -1e6f, 0, 0, 0, -1.27e8f}) ==
          std::vector<float>{1.27e8f, 1e6f, 0, -1e6f, 0, 0, 0, -1.27e8f});
    CHECK(output_for({127, nan, -127, 1, 2, 3, 4, 5}) == std::vector<float>{127, 0, -127, 1, 2, 3, 4, 5});
  }
}

}  // namespace
}  // namespace gemma::kernels
