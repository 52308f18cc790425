// A regular file opened for reading. Whatever is not a regular file (folder, pipe, device) is refused before
// it is opened, so that no input can make a program wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "loader/result.h"

namespace gemma {

class File {
 public:
  // kNotFound: nothing there. kInvalidFile: not a regular file. kResource: out of descriptors. kIo: the rest.
  static Result<File> open(const std::string& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::string& path() const { return path_; }
  uint64_t bytes() const { return bytes_; }  // when it was opened
  int descriptor() const { return descriptor_; }

  // Fills `out` with the bytes at `offset` (pread: safe from many threads). A file that has meanwhile become
  // shorter is kIo, never a signal.
  Result<void> read_at(uint64_t offset, std::span<std::byte> out) const;

  // Says that these bytes will not be read again soon: the system may take their memory for others. Advice,
  // so nothing can fail; pages that are mapped and in use stay.
  void drop_cached(uint64_t offset, uint64_t bytes) const;

 private:
  File(std::string path, int descriptor, uint64_t bytes);

  std::string path_;
  int descriptor_ = -1;
  uint64_t bytes_ = 0;
};

// The whole of a file that is small by nature (config.json, a model card). More than `limit_bytes` is
// kInvalidFile and nothing is read.
Result<std::string> read_text(const std::string& path, uint64_t limit_bytes);

}  // namespace gemma
