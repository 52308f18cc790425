// A lock that other processes respect: flock on a file of its own, the same that Python's huggingface_hub
// takes, so that the two do not write one blob at the same time. Freed when the object or the process ends.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "loader/result.h"

namespace gemma {

class FileLock {
 public:
  // Waits until the lock is free, asking every `pause`. `waiting` is called before each pause (the first time
  // at once) and ends the wait with kResource if it returns false. The lock's folder must exist.
  static Result<FileLock> take(const std::string& path, const std::function<bool()>& waiting,
                               std::chrono::milliseconds pause = std::chrono::milliseconds(100));

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace gemma
