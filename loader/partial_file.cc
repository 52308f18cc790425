#include "loader/partial_file.h"

#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/disk_error.h"

namespace gemma {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

// A new name is only safe once the folder that holds it is. Some file systems cannot sync a folder; the file
// itself is safe by then.
void sync_folder(const std::string& file) {
  const std::string folder = std::filesystem::path(file).parent_path().string();
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

PartialFile::PartialFile(std::string path, int descriptor, uint64_t bytes)
    : path_(std::move(path)), descriptor_(descriptor), bytes_(bytes) {}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      bytes_(std::exchange(other.bytes_, 0)) {}

PartialFile& PartialFile::operator=(PartialFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

PartialFile::~PartialFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<PartialFile> PartialFile::open(const std::string& path) {
  // O_NONBLOCK: a pipe of that name must not make the program wait.
  const int descriptor =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
  if (descriptor < 0) return disk_failure(path, "cannot open for writing", errno);
  PartialFile file(path, descriptor, 0);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return disk_failure(path, "cannot open for writing", errno);
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kIo, path, "expected a file, found something else", "delete it");
  }
  file.bytes_ = static_cast<uint64_t>(status.st_size);
  return file;
}

Result<void> PartialFile::read(const std::function<bool(std::span<const std::byte>)>& piece) const {
  std::vector<std::byte> buffer(kPieceBytes);
  for (uint64_t done = 0; done < bytes_;) {
    const ssize_t n = ::pread(descriptor_, buffer.data(), buffer.size(), static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return disk_failure(path_, "cannot read", errno);
    if (n == 0) return fail(ErrorCode::kIo, path_, "it became shorter while it was read");
    if (!piece(std::span(buffer).first(static_cast<size_t>(n)))) return {};
    done += static_cast<uint64_t>(n);
  }
  return {};
}

Result<void> PartialFile::append(std::span<const std::byte> piece) {
  while (!piece.empty()) {
    const ssize_t n = ::write(descriptor_, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return disk_failure(path_, "cannot write", errno);
    bytes_ += static_cast<uint64_t>(n);
    piece = piece.subspan(static_cast<size_t>(n));
  }
  return {};
}

Result<void> PartialFile::clear() {
  if (::ftruncate(descriptor_, 0) != 0) return disk_failure(path_, "cannot empty it", errno);
  bytes_ = 0;
  return {};
}

Result<void> PartialFile::publish(const std::string& final_path) {
  if (::fsync(descriptor_) != 0) return disk_failure(path_, "cannot write it to the disk", errno);
  if (::rename(path_.c_str(), final_path.c_str()) != 0) {
    return disk_failure(final_path, "cannot rename to it", errno);
  }
  sync_folder(final_path);
  return {};
}

void PartialFile::discard() {
  ::unlink(path_.c_str());
}

}  // namespace gemma
