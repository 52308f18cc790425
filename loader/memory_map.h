// A whole file mapped read-only, with the open file beside it for reads that must not fault.
//
// The span of bytes() ends with the MemoryMap: whoever hands out views of it (loader/checkpoint.h) owns it.
// Touching a mapped page of a file that someone else truncates is a SIGBUS, which no program can turn into an
// error at the place it happens; everything that must be robust against it goes through file().read_at().
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "loader/file.h"
#include "loader/result.h"

namespace gemma {

class MemoryMap {
 public:
  // Errors of File::open; kResource if the address space has no room for it.
  static Result<MemoryMap> open(const std::string& path);

  MemoryMap(MemoryMap&& other) noexcept;
  MemoryMap& operator=(MemoryMap&& other) noexcept;
  ~MemoryMap();

  std::span<const std::byte> bytes() const { return bytes_; }  // empty for an empty file
  const File& file() const { return file_; }

 private:
  MemoryMap(File file, std::span<const std::byte> bytes);

  File file_;
  std::span<const std::byte> bytes_;
};

}  // namespace gemma
