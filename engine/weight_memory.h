// The memory of a model's weights: one stretch, on huge pages wherever the system gives them.
//
// Decoding reads every weight once a token and does little else, so it feels the page table: on two Zen 4
// cores of a virtual machine the matrices of E2B in int4 (1.28 GB) were read and multiplied in 26.5 ms from
// huge pages and in 37.7 ms from the mapped file, whose pages are small. A buffer for each matrix is no way
// to get them: most are of one to five megabytes, and a huge page has two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/buffer.h"
#include "loader/result.h"

namespace gemma {

class WeightMemory {
 public:
  // Nothing reserved: every block is a buffer of its own.
  WeightMemory() = default;
  // Address space for blocks of `bytes` in all; it costs memory only as it is written. kResource.
  static Result<WeightMemory> reserve(uint64_t bytes);
  // What reserve() needs for `blocks` blocks of `bytes` in all.
  static uint64_t room_for(uint64_t bytes, uint64_t blocks);

  // `bytes` zeroed bytes that share no page with another block; of the reserved stretch, which lives until
  // the last block is gone, or a buffer of their own where it has no room. kResource.
  Result<std::shared_ptr<Buffer>> take(size_t bytes, const std::string& what);

  // Gives back what nobody took, for good.
  void trim();

 private:
  std::shared_ptr<Buffer> whole_;
  size_t used_ = 0;
};

}  // namespace gemma
