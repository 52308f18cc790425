// Which pages of this process lie in memory: a snapshot of /proc/self/maps and /proc/self/pagemap, asked
// range by range. It counts what the kernel counts as RSS, page by page, so that parts of a heap or of a
// mapped file can be told apart, which no sum of /proc gives.
//
//   Result<ResidentPages> pages = ResidentPages::read();
//   pages->bytes(buffer.data(), buffer.bytes());   // of a reserved buffer, what has been touched
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "loader/result.h"

namespace gemma {

struct Mapping {
  uintptr_t begin = 0, end = 0;
  std::string path;  // of the file; "[heap]", "[stack]"; empty: anonymous
  // Nobody may touch it, or it is no file and larger than four times the machine's memory: addresses kept
  // free, counted as not in memory unseen.
  bool is_reservation = false;
  bool is_file() const { return !path.empty() && path.front() == '/'; }
};

class ResidentPages {
 public:
  // kUnsupported where /proc does not tell.
  static Result<ResidentPages> read();

  // By address, without overlap.
  std::span<const Mapping> mappings() const { return mappings_; }
  // The mapping that holds the address, or nullptr.
  const Mapping* find(const void* address) const;

  // Bytes of the range that lie in memory; of a page that the range holds in part, that part.
  uint64_t bytes(uintptr_t begin, uintptr_t end) const;
  uint64_t bytes(const void* begin, size_t n) const {
    const auto address = reinterpret_cast<uintptr_t>(begin);
    return bytes(address, address + n);
  }

 private:
  std::vector<Mapping> mappings_;
  std::vector<std::vector<uint64_t>> resident_;  // of mappings_[i], a bit per page
};

size_t page_bytes();

// Bytes of a mapped file's range that lie in the page cache, whether this process has them mapped in or not.
uint64_t cached_bytes(const void* begin, size_t n);

}  // namespace gemma
