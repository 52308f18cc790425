#include "engine/heap_blocks.h"

#include <atomic>

// mimalloc.h's declarations, weak: the library itself does not need mimalloc, and builds with a sanitizer
// have none.
extern "C" {
__attribute__((weak)) bool mi_is_in_heap_region(const void* address);
__attribute__((weak)) void* mi_heap_get_default();
__attribute__((weak)) bool mi_heap_visit_blocks(const void* heap, bool all_blocks,
                                                bool (*visit)(const void* heap, const void* area, void* block,
                                                              size_t block_bytes, void* argument),
                                                void* argument);
}

namespace gemma {

bool heap_is_open() {
  return mi_is_in_heap_region != nullptr && mi_heap_get_default != nullptr && mi_heap_visit_blocks != nullptr;
}

bool is_heap(const void* address) {
  return heap_is_open() && mi_is_in_heap_region(address);
}

uint64_t sum_over_heap_blocks(const ThreadTeam& team,
                              const std::function<uint64_t(const void* block, size_t bytes)>& value) {
  if (!heap_is_open()) return 0;
  struct Sum {
    const std::function<uint64_t(const void*, size_t)>* value;
    uint64_t total;
  };
  std::atomic<uint64_t> total{0};
  // A heap may only be walked by the thread that owns it. One share per thread.
  team.parallel_for(team.size(), 1, [&](size_t begin, size_t end, size_t) {
    if (begin == end) return;
    Sum sum{&value, 0};
    mi_heap_visit_blocks(
        mi_heap_get_default(), true,
        [](const void*, const void*, void* block, size_t bytes, void* argument) {
          Sum& to = *static_cast<Sum*>(argument);
          if (block != nullptr) to.total += (*to.value)(block, bytes);  // null: the area as a whole
          return true;
        },
        &sum);
    total += sum.total;
  });
  return total;
}

}  // namespace gemma
