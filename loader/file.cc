#include "loader/file.h"

#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gemma {
namespace {

Failure open_failure(const std::string& path, int error) {
  const std::string reason = std::generic_category().message(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return fail(ErrorCode::kNotFound, path, "no such file", "check the path");
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return fail(ErrorCode::kResource, path, "cannot open: " + reason, "raise `ulimit -n`");
    case EACCES:
    case EPERM:
      return fail(ErrorCode::kIo, path, "cannot open: " + reason, "check its permissions");
    default:
      return fail(ErrorCode::kIo, path, "cannot open: " + reason);
  }
}

// Empty for a regular file, else what it is.
std::string_view foreign_kind(mode_t mode) {
  if (S_ISREG(mode)) return {};
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

File::File(std::string path, int descriptor, uint64_t bytes)
    : path_(std::move(path)), descriptor_(descriptor), bytes_(bytes) {}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      bytes_(std::exchange(other.bytes_, 0)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<File> File::open(const std::string& path) {
  if (path.find('\0') != std::string::npos) {
    return fail(ErrorCode::kNotFound, {}, "a path cannot hold a zero byte", "check the path");
  }
  // Asked before opening because opening a device can already act; asked again after, because the name may by
  // then mean something else. O_NONBLOCK: a pipe that slips in between must not make us wait for a writer.
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return open_failure(path, errno);
  std::string_view kind = foreign_kind(status.st_mode);
  if (kind.empty()) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) return open_failure(path, errno);
    File file(path, descriptor, 0);
    if (::fstat(descriptor, &status) != 0) return open_failure(path, errno);
    kind = foreign_kind(status.st_mode);
    if (kind.empty()) {
      file.bytes_ = static_cast<uint64_t>(status.st_size);
      return file;
    }
  }
  return fail(ErrorCode::kInvalidFile, path, fmt::format("expected a regular file, found {}", kind));
}

Result<void> File::read_at(uint64_t offset, std::span<std::byte> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return fail(ErrorCode::kIo, path_,
                  fmt::format("reading {} bytes at {} failed: {}", out.size(), offset,
                              std::generic_category().message(errno)));
    }
    if (n == 0) {
      return fail(
          ErrorCode::kIo, path_,
          fmt::format("expected {} bytes at {}, found the end of the file at {}: it shrank since it was "
                      "opened",
                      out.size(), offset, offset + done),
          "do not change a model's files while it is in use");
    }
    done += static_cast<size_t>(n);
  }
  return {};
}

void File::drop_cached(uint64_t offset, uint64_t bytes) const {
  if (bytes == 0) return;  // to the system, all that follows
  ::posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
}

Result<std::string> read_text(const std::string& path, uint64_t limit_bytes) {
  Result<File> file = File::open(path);
  if (!file) return fail(file.error());
  if (file->bytes() > limit_bytes) {
    return fail(ErrorCode::kInvalidFile, path,
                fmt::format("expected at most {} bytes, found {}", limit_bytes, file->bytes()));
  }
  std::string text;
  try {
    text.resize(file->bytes());
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kResource, path, fmt::format("not enough memory for its {} bytes", file->bytes()));
  }
  if (auto read = file->read_at(0, std::as_writable_bytes(std::span(text))); !read) return fail(read.error());
  return text;
}

}  // namespace gemma
