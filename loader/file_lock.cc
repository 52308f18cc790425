#include "loader/file_lock.h"

#include <cerrno>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/disk_error.h"

namespace gemma {
namespace {

// Whether the path still leads to the open file: who held the lock before may have deleted it, and then a
// third process locks a new one.
bool still_there(int descriptor, const std::string& path) {
  struct stat ours {
  }, theirs{};
  return ::fstat(descriptor, &ours) == 0 && ::stat(path.c_str(), &theirs) == 0 &&
         ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

}  // namespace

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<FileLock> FileLock::take(const std::string& path, const std::function<bool()>& waiting,
                                std::chrono::milliseconds pause) {
  for (;;) {
    FileLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (lock.descriptor_ < 0) return disk_failure(path, "cannot open the lock", errno);
    while (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      if (error == EINTR) continue;
      if (error != EWOULDBLOCK) return disk_failure(path, "cannot lock", error);
      if (!waiting()) return fail(ErrorCode::kResource, path, "stopped while another program held the lock");
      std::this_thread::sleep_for(pause);
    }
    if (still_there(lock.descriptor_, path)) return lock;
  }
}

}  // namespace gemma
