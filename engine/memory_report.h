// Where the memory of a running model is: every resident page of the process put down to what it is for, and
// the sum held against what the kernel counts as RSS.
//
//   Result<MemoryReport> report = memory_report(model, &session);
//   report->unaccounted_bytes   // RSS minus the sum; small, or something is missing from memory_inventory.cc
//
// No part is what is left over from the RSS. Listed blocks (memory_inventory.h) are looked up page by page;
// heap, mapped checkpoints, code and stacks are found by address, and within heap and files the listed blocks
// and the allocator's blocks in use are told from the rest.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/memory_range.h"
#include "engine/model.h"
#include "engine/process_memory.h"
#include "engine/session.h"
#include "loader/result.h"

namespace gemma {

struct MemoryLine {
  MemoryPart part = MemoryPart::kObjects;
  TensorClass tensor_class = TensorClass::kFloat;  // of weights
  std::optional<size_t> layer = {};                // of weights and KV
  bool mapped = false;                             // of weights: in a mapped file, not in memory of their own
  uint64_t reserved_bytes = 0;                     // addresses
  uint64_t resident_bytes = 0;                     // of those, in memory and part of the RSS
  uint64_t cached_bytes = 0;                       // of mapped ones, in the page cache
};

struct MemoryReport {
  ProcessMemory process;
  std::vector<MemoryLine> lines;  // by part, class, layer
  uint64_t kv_used_bytes = 0;     // keys and values that the sequence so far has written
  uint64_t ple_file_bytes = 0;  // of the per-layer table, read from its file row by row; 0 for synthetic ones
  bool heap_is_open = false;    // else objects and allocator are unknown and stay unaccounted

  uint64_t accounted_bytes = 0;   // sum of all lines' resident bytes
  int64_t unaccounted_bytes = 0;  // RSS minus that

  uint64_t resident(MemoryPart part) const;
  uint64_t reserved(MemoryPart part) const;
};

// The largest `unaccounted` that counts as agreement: max(1 % of RSS, 2 MB), either way.
uint64_t unaccounted_limit(const MemoryReport& report);

// kUnsupported where /proc does not tell. `session` may be null.
Result<MemoryReport> memory_report(const Model& model, const Session* session);

}  // namespace gemma
