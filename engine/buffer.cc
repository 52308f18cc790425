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

}  // namespace

Result<Buffer> Buffer::allocate(size_t bytes, const std::string& what) {
  Buffer buffer;
  if (bytes == 0) return buffer;
  void* memory = nullptr;
  if (bytes >= kMappedBufferBytes) {
    memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) memory = nullptr;
    // Advice only: without huge pages everything still works, with more TLB misses.
    if (memory != nullptr) madvise(memory, bytes, MADV_HUGEPAGE);
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

Buffer::~Buffer() {
  if (data_ == nullptr) return;
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
  constexpr uint64_t kPage = 4096, kHuge = uint64_t{2} << 20;
  const auto up = [](uint64_t n, uint64_t to) { return (n + to - 1) / to * to; };
  if (bytes < kMappedBufferBytes) return bytes;
  touched = std::min(touched, bytes);
  if (huge && up(touched, kHuge) <= bytes) return up(touched, kHuge);
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
