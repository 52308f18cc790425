// Memory larger than the caches that stands for the weights of a model: every call of a benchmark takes the
// next stretch of it, as decoding walks through a model. Its pairs of bytes are ordinary fp16 and bf16 values
// (0x3030 to 0x3f3f): no denormal or NaN slows a kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/buffer.h"

namespace gemma {

inline constexpr size_t kArenaBytes = size_t{512} << 20;

// 64-byte aligned; null if the machine has no room for it.
inline const std::byte* weight_arena() {
  static const Buffer arena = [] {
    Result<Buffer> buffer = Buffer::allocate(kArenaBytes, "weights of benchmarks");
    if (!buffer) return Buffer();
    uint64_t state = 1;
    for (size_t i = 0; i < kArenaBytes / sizeof(uint64_t); ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      buffer->as<uint64_t>()[i] = (state >> 4 & 0x0f0f0f0f0f0f0f0fu) | 0x3030303030303030u;
    }
    return std::move(*buffer);
  }();
  return arena.data();
}

}  // namespace gemma
