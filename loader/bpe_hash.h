// The hash of the tokenizer's tables: multiply-shift, with a multiplier drawn once per process. A file that
// is written so that its entries collide would make loading quadratic; nobody can write it without the
// multiplier. Results never depend on it: tables are only asked for exact keys.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemma {

// Odd, random, the same for the life of the process.
uint64_t hash_multiplier();

// Slot of a key in a table of 2^(64 - shift) slots: the top bits of the product depend on all bits of the
// key.
inline size_t hash_slot(uint64_t key, uint64_t multiplier, unsigned shift) {
  return static_cast<size_t>((key ^ key >> 32) * multiplier >> shift);
}

}  // namespace gemma
