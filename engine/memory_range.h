// A block of memory and what it is for: the unit of memory accounting (memory_report.h).
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "engine/scheme.h"

namespace gemma {

enum class MemoryPart {
  kWeights,      // by class and layer
  kKvSliding,    // keys and values of layers with a sliding window
  kKvFull,       // of layers that see the whole context
  kActivations,  // of one chunk of tokens
  kScratch,      // quantized inputs, attention scores, rotation angles
  kLogits,
  kTokenizer,
  // What no range is listed for, found by asking system and allocator (memory_report.cc):
  kObjects,    // other blocks in use of the heap: config, tensor lists, tokens
  kAllocator,  // pages of the heap without a block in use
  kFileRest,   // pages of mapped checkpoints beside the weights in use: headers, neighbours
  kCode,       // program and libraries: code, constants, static variables
  kStacks,     // of all threads, with thread-local variables
};
inline constexpr size_t kMemoryParts = 12;
std::string_view to_string(MemoryPart part);  // "weights", "kv_sliding", ...

struct MemoryRange {
  MemoryPart part = MemoryPart::kObjects;
  TensorClass tensor_class = TensorClass::kFloat;  // of weights
  std::optional<size_t> layer = {};                // of weights and KV
  const void* begin = nullptr;
  size_t bytes = 0;
  bool mapped = false;  // lies in a mapped file
};

}  // namespace gemma
