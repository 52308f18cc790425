// Writes while the next tensors are computed: a thread of its own hands bytes to a SafetensorsWriter, in the
// order in which they came.
//
//   WriteBehind behind(writer);
//   behind.begin(bytes, owner);   // returns at once, unless much is waiting already
//   behind.settle();              // all is written, or the first error
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

#include "loader/result.h"
#include "loader/safetensors_writer.h"

namespace gemma {

class WriteBehind {
 public:
  // More than this does not wait to be written, unless it is one piece.
  static constexpr uint64_t kMostBytes = uint64_t{64} << 20;

  // Between begin() and settle() nobody else may use the writer. It must outlive this.
  explicit WriteBehind(SafetensorsWriter& writer);
  // What waits is dropped: settle() first.
  ~WriteBehind();
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  // `owner` keeps the bytes alive and unchanged until they are written. The error of an earlier write, if one
  // failed: then nothing is written any more.
  Result<void> begin(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

  // Waits for all that was begun; the first error.
  Result<void> settle();

 private:
  struct Piece {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  };

  void work();

  SafetensorsWriter& writer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> pieces_;  // the first is being written
  uint64_t waiting_bytes_ = 0;
  Result<void> outcome_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace gemma
