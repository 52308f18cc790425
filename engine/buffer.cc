#include "engine/buffer.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>

#include <fmt/format.h>

namespace gemma {
namespace {

constexpr size_t kPage = 4096, kHugePage = size_t{2} << 20;

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

uint64_t read_number(const char* path, uint64_t otherwise) {
  std::ifstream file(path);
  uint64_t value = 0;
  return file >> value ? value : otherwise;
}

// "Name:   123 kB" of a /proc file, in bytes.
uint64_t read_kilobytes(const char* path, const std::string& name, uint64_t otherwise) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name, 0) != 0) continue;
    std::istringstream fields(line.substr(name.size()));
    uint64_t kilobytes = 0;
    if (fields >> kilobytes) return kilobytes * 1024;
  }
  return otherwise;
}

uint64_t left_of(uint64_t limit, uint64_t used) {
  if (limit == kUnlimited) return kUnlimited;
  return limit > used ? limit - used : 0;
}

uint64_t whole_pages(uint64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

// A memory map that begins on a huge page (Linux before 6.7 puts maps anywhere); null if there is no room.
void* map_pages(size_t bytes) {
  const size_t wanted = whole_pages(bytes);
  if (wanted < bytes || wanted > std::numeric_limits<size_t>::max() - kHugePage) return nullptr;
  void* all = mmap(nullptr, wanted + kHugePage, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return nullptr;
  std::byte* begin = static_cast<std::byte*>(all);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(all) % kHugePage) % kHugePage;
  if (before > 0) munmap(begin, before);
  if (before < kHugePage) munmap(begin + before + wanted, kHugePage - before);
  // Advice only: without huge pages everything still works, with more TLB misses.
  madvise(begin + before, bytes, MADV_HUGEPAGE);
  return begin + before;
}

}  // namespace

Result<Buffer> Buffer::allocate(size_t bytes, const std::string& what) {
  Buffer buffer;
  if (bytes == 0) return buffer;
  void* memory = nullptr;
  if (bytes >= kMappedBufferBytes) {
    memory = map_pages(bytes);
  } else {
    memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (memory != nullptr) std::memset(memory, 0, bytes);
  }
  if (memory == nullptr) {
    return fail(ErrorCode::kResource, what, fmt::format("cannot allocate {}", format_bytes(bytes)),
                "take a smaller model, scheme or context");
  }
  buffer.data_ = static_cast<std::byte*>(memory);
  buffer.bytes_ = bytes;
  return buffer;
}

Buffer Buffer::part_of(std::shared_ptr<Buffer> whole, size_t begin, size_t bytes) {
  Buffer part;
  part.data_ = whole->data_ + begin;
  part.bytes_ = bytes;
  part.whole_ = std::move(whole);
  return part;
}

void Buffer::shrink(size_t bytes) {
  if (whole_ != nullptr || bytes_ < kMappedBufferBytes || bytes < kMappedBufferBytes) return;
  const size_t kept = whole_pages(bytes), had = whole_pages(bytes_);
  if (kept >= had) return;
  munmap(data_ + kept, had - kept);
  bytes_ = kept;
}

Buffer::~Buffer() {
  if (data_ == nullptr || whole_ != nullptr) return;
  if (bytes_ >= kMappedBufferBytes) {
    munmap(data_, bytes_);
  } else {
    std::free(data_);
  }
}

uint64_t resident_once_touched(uint64_t bytes, uint64_t touched) {
  // "always [madvise] never": the word in brackets counts.
  static const bool huge = [] {
    std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
    std::string words;
    return std::getline(file, words) && words.find("[never]") == std::string::npos;
  }();
  const auto up = [](uint64_t n, uint64_t to) { return (n + to - 1) / to * to; };
  if (bytes < kMappedBufferBytes) return bytes;
  touched = std::min(touched, bytes);
  if (huge && up(touched, kHugePage) <= bytes) return up(touched, kHugePage);
  return up(touched, kPage);
}

uint64_t available_memory_bytes() {
  uint64_t available = read_kilobytes("/proc/meminfo", "MemAvailable:", kUnlimited);
  available = std::min(available, left_of(read_number("/sys/fs/cgroup/memory.max", kUnlimited),
                                          read_number("/sys/fs/cgroup/memory.current", 0)));
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    available =
        std::min(available, left_of(limit.rlim_cur, read_kilobytes("/proc/self/status", "VmSize:", 0)));
  }
  return available;
}

Result<void> check_memory(uint64_t bytes, const std::string& what) {
  const uint64_t available = available_memory_bytes();
  if (bytes <= available) return {};
  return fail(ErrorCode::kResource, what,
              fmt::format("needs {}, {} are available", format_bytes(bytes), format_bytes(available)),
              "take a smaller model, scheme or context");
}

}  // namespace gemma
