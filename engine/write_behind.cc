#include "engine/write_behind.h"

#include <utility>

namespace gemma {

WriteBehind::WriteBehind(SafetensorsWriter& writer) : writer_(writer), thread_([this] { work(); }) {}

WriteBehind::~WriteBehind() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Result<void> WriteBehind::begin(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return pieces_.empty() || waiting_bytes_ + bytes.size() <= kMostBytes; });
  if (!outcome_) return outcome_;
  pieces_.push_back({bytes, std::move(owner)});
  waiting_bytes_ += bytes.size();
  changed_.notify_all();
  return {};
}

Result<void> WriteBehind::settle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return pieces_.empty(); });
  return outcome_;
}

void WriteBehind::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return over_ || !pieces_.empty(); });
    if (over_) return;
    Piece piece = std::move(pieces_.front());
    lock.unlock();
    Result<void> written = writer_.write(piece.bytes);
    const size_t bytes = piece.bytes.size();
    piece.owner.reset();  // before the lock: it may free a matrix
    lock.lock();
    pieces_.pop_front();
    waiting_bytes_ -= bytes;
    if (!written) {
      outcome_ = std::move(written);
      pieces_.clear();
      waiting_bytes_ = 0;
    }
    changed_.notify_all();
  }
}

}  // namespace gemma
