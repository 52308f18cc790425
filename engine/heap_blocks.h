// The blocks that the program's allocator has handed out and not got back: what of a heap's memory is in use.
// mimalloc (third_party/mimalloc.md) can be asked for them; other allocators cannot, and the functions say
// so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "engine/thread_team.h"

namespace gemma {

// Whether the allocator tells of its blocks.
bool heap_is_open();

// Whether the address lies in memory that the allocator has taken from the system for its heap.
bool is_heap(const void* address);

// The sum of value(block, bytes) over all blocks in use of all threads of the team. `value` runs in those
// threads, one at a time per heap, and must not allocate.
uint64_t sum_over_heap_blocks(const ThreadTeam& team,
                              const std::function<uint64_t(const void* block, size_t bytes)>& value);

}  // namespace gemma
