#include "loader/memory_map.h"

#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sys/mman.h>

namespace gemma {

MemoryMap::MemoryMap(File file, std::span<const std::byte> bytes) : file_(std::move(file)), bytes_(bytes) {}

MemoryMap::MemoryMap(MemoryMap&& other) noexcept
    : file_(std::move(other.file_)), bytes_(std::exchange(other.bytes_, {})) {}

MemoryMap& MemoryMap::operator=(MemoryMap&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MemoryMap::~MemoryMap() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<MemoryMap> MemoryMap::open(const std::string& path) {
  Result<File> file = File::open(path);
  if (!file) return fail(file.error());
  if (file->bytes() == 0) return MemoryMap(std::move(*file), {});
  if (file->bytes() > std::numeric_limits<size_t>::max()) {
    return fail(ErrorCode::kResource, path,
                fmt::format("{} bytes do not fit this machine's address space", file->bytes()));
  }
  const size_t bytes = file->bytes();
  void* start = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file->descriptor(), 0);
  if (start == MAP_FAILED) {
    return fail(ErrorCode::kResource, path,
                fmt::format("cannot map {} bytes: {}", bytes, std::generic_category().message(errno)),
                "raise `ulimit -v`");
  }
  return MemoryMap(std::move(*file), {static_cast<const std::byte*>(start), bytes});
}

}  // namespace gemma
