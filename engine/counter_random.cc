#include "engine/counter_random.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace gemma {
namespace {

static_assert(std::endian::native == std::endian::little, "values are stored as they lie in memory");

// Pairs that share one derived key: as many as a 32-bit counter tells apart.
constexpr uint64_t kBlockPairs = uint64_t{1} << 32;

struct BlockKey {
  uint32_t before = 0;  // enters before the first multiplication,
  uint32_t middle = 0;  // and between the two: blocks differ by more than a shift of the counter
};

// SplitMix64's finalizer (Steele, Lea, Flood, 2014) of the key and the block's number.
BlockKey block_key(uint64_t key, uint64_t block) {
  uint64_t x = key + (block + 1) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  x ^= x >> 31;
  return {static_cast<uint32_t>(x), static_cast<uint32_t>(x >> 32)};
}

// 32 random bits of a counter: xorshift-multiply rounds with constants of the hash-prospector search (bias
// 0.1), the key's second half between them. Only 32-bit operations, so that eight run in one AVX2 register.
inline uint32_t random_pair(uint32_t counter, BlockKey key) {
  uint32_t x = counter ^ key.before;
  x = (x ^ (x >> 16)) * 0x21f0aaadu;
  x = ((x ^ (x >> 15)) + key.middle) * 0xd35a2d97u;
  return x ^ (x >> 15);
}

// The bits of float32(mean + scale * t) plus what rounds them to bfloat16 (nearest even) when the lower half
// is cut off. `bits` gives t by its two lowest bytes.
inline uint32_t rounded_bits(uint32_t bits, float mean, float scale) {
  const int32_t t = static_cast<int32_t>((bits & 0xff) + ((bits >> 8) & 0xff)) - 255;
  const uint32_t value = std::bit_cast<uint32_t>(mean + scale * static_cast<float>(t));
  return value + 0x7fff + ((value >> 16) & 1);
}

inline uint32_t bf16_pair(uint32_t counter, BlockKey key, float mean, float scale) {
  const uint32_t bits = random_pair(counter, key);
  return (rounded_bits(bits, mean, scale) >> 16) | (rounded_bits(bits >> 16, mean, scale) & 0xffff0000u);
}

// Whole pairs of one block. A value's place in its 32-bit lane is its place in memory: no shuffles, and the
// compiler vectorizes the loop.
void fill_pairs(const RandomStream& stream, BlockKey key, uint32_t first, std::byte* out, size_t pairs) {
  for (size_t i = 0; i < pairs; ++i) {
    const uint32_t pair = bf16_pair(first + static_cast<uint32_t>(i), key, stream.mean, stream.scale);
    std::memcpy(out + i * 4, &pair, 4);
  }
}

uint32_t pair_at(const RandomStream& stream, uint64_t pair) {
  return bf16_pair(static_cast<uint32_t>(pair), block_key(stream.key, pair / kBlockPairs), stream.mean,
                   stream.scale);
}

}  // namespace

uint64_t random_key(uint64_t seed, std::string_view name) {
  return XXH64(name.data(), name.size(), seed);
}

void fill_random_bf16(const RandomStream& stream, uint64_t first, std::span<std::byte> out) {
  uint64_t left = out.size() / 2;
  std::byte* to = out.data();
  if (left > 0 && first % 2 == 1) {  // the second half of a pair
    const uint16_t value = static_cast<uint16_t>(pair_at(stream, first / 2) >> 16);
    std::memcpy(to, &value, 2);
    to += 2;
    ++first;
    --left;
  }
  while (left >= 2) {
    const uint64_t pair = first / 2;
    const uint64_t pairs = std::min(left / 2, kBlockPairs - pair % kBlockPairs);
    fill_pairs(stream, block_key(stream.key, pair / kBlockPairs), static_cast<uint32_t>(pair), to, pairs);
    to += pairs * 4;
    first += pairs * 2;
    left -= pairs * 2;
  }
  if (left == 1) {  // the first half of a pair
    const uint16_t value = static_cast<uint16_t>(pair_at(stream, first / 2));
    std::memcpy(to, &value, 2);
  }
}

}  // namespace gemma
