// A file that is being written under a name of its own ("HASH.incomplete") until it is whole: then it is
// synced to the disk and takes its final name in one step. Whatever ends the program before leaves the part
// that has arrived, and the next run goes on from there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "loader/result.h"

namespace gemma {

class PartialFile {
 public:
  // What stands at `path` is kept, else an empty file is made. A link there is refused (kIo).
  static Result<PartialFile> open(const std::string& path);

  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&& other) noexcept;
  ~PartialFile();  // closes; the file stays

  uint64_t bytes() const { return bytes_; }

  // Reads the file from its start, in pieces. Stops at the first piece that is refused (false).
  Result<void> read(const std::function<bool(std::span<const std::byte>)>& piece) const;
  // kResource: the disk, a quota or the size limit is used up.
  Result<void> append(std::span<const std::byte> piece);
  Result<void> clear();
  // To the disk, and to its final name on the same file system; the folder's entry is synced too.
  Result<void> publish(const std::string& final_path);
  // Deletes the file.
  void discard();

 private:
  PartialFile(std::string path, int descriptor, uint64_t bytes);

  std::string path_;
  int descriptor_ = -1;
  uint64_t bytes_ = 0;
};

}  // namespace gemma
