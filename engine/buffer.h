// A large, aligned, zeroed block of memory: weights, caches, scratch. From 2 MB on it is a memory map of its
// own, whose untouched pages cost nothing (a KV cache reserved for the whole context) and which begins on a
// huge page, where the system gives them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "loader/format_bytes.h"
#include "loader/result.h"

namespace gemma {

class Buffer {
 public:
  Buffer() = default;
  // `bytes` zeroed bytes on a 64-byte boundary. kResource if the system has none; `what` names the use.
  static Result<Buffer> allocate(size_t bytes, const std::string& what);

  // Bytes [begin, begin + bytes) of another, which lives as long as its parts.
  static Buffer part_of(std::shared_ptr<Buffer> whole, size_t begin, size_t bytes);

  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)),
        whole_(std::move(other.whole_)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(whole_, other.whole_);
    return *this;
  }
  ~Buffer();

  // Gives back the pages behind the first `bytes` bytes. Of a buffer that is a memory map; others stay as
  // they are.
  void shrink(size_t bytes);

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  std::shared_ptr<Buffer> whole_;  // of a part
};

// From this size on a buffer is a memory map of its own.
inline constexpr size_t kMappedBufferBytes = size_t{2} << 20;

// What of a buffer lies in memory once its first `touched` bytes have been written: all of a small one, whole
// pages of a mapped one, and huge pages where the system gives them.
uint64_t resident_once_touched(uint64_t bytes, uint64_t touched);

// Bytes this process may still take: the least of what the machine has available (MemAvailable), what the
// control group leaves and what RLIMIT_AS leaves.
uint64_t available_memory_bytes();

// kResource with both figures if `bytes` are not there. Called before anything of that size is allocated:
// Linux overcommits, so the failure would come later, as a kill.
Result<void> check_memory(uint64_t bytes, const std::string& what);

}  // namespace gemma
