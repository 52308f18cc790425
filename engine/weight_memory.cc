#include "engine/weight_memory.h"

#include <algorithm>
#include <utility>

namespace gemma {
namespace {

constexpr uint64_t kPage = 4096;

uint64_t whole_pages(uint64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

}  // namespace

Result<WeightMemory> WeightMemory::reserve(uint64_t bytes) {
  WeightMemory memory;
  if (bytes < kMappedBufferBytes) return memory;
  Result<Buffer> whole = Buffer::allocate(bytes, "weights");
  if (!whole) return fail(std::move(whole.error()));
  memory.whole_ = std::make_shared<Buffer>(std::move(*whole));
  return memory;
}

uint64_t WeightMemory::room_for(uint64_t bytes, uint64_t blocks) {
  return whole_pages(bytes) + blocks * kPage;
}

Result<std::shared_ptr<Buffer>> WeightMemory::take(size_t bytes, const std::string& what) {
  if (whole_ != nullptr && bytes <= whole_->bytes() - used_) {
    const size_t begin = used_;
    used_ = std::min<size_t>(begin + whole_pages(bytes), whole_->bytes());
    return std::make_shared<Buffer>(Buffer::part_of(whole_, begin, bytes));
  }
  Result<Buffer> own = Buffer::allocate(bytes, what);
  if (!own) return fail(std::move(own.error()));
  return std::make_shared<Buffer>(std::move(*own));
}

void WeightMemory::trim() {
  if (whole_ != nullptr) whole_->shrink(used_);
  whole_ = nullptr;
}

}  // namespace gemma
