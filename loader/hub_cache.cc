#include "loader/hub_cache.h"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "loader/disk_error.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

// A name beside the final one that nobody else uses: neither another thread nor another machine or container
// that shares the cache, where process ids repeat.
fs::path beside(const fs::path& path) {
  uint64_t number = 0;
  if (::getentropy(&number, sizeof number) != 0) number = static_cast<uint64_t>(::getpid());
  return fs::path(path) += fmt::format(".{:016x}.tmp", number);
}

Result<void> rename_over(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  const int error = errno;
  ::unlink(from.c_str());
  return disk_failure(to.string(), "cannot rename to it", error);
}

}  // namespace

std::optional<fs::path> path_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  const char* home = std::getenv("HOME");
  if (std::string_view(value).starts_with("~/") && home != nullptr) return fs::path(home) / (value + 2);
  return fs::path(value);
}

std::optional<fs::path> hub_home_folder() {
  if (auto path = path_variable("HF_HOME")) return path;
  if (auto path = path_variable("XDG_CACHE_HOME")) return *path / "huggingface";
  if (auto path = path_variable("HOME")) return *path / ".cache" / "huggingface";
  return std::nullopt;
}

std::optional<fs::path> hub_cache_folder() {
  if (auto path = path_variable("HF_HUB_CACHE")) return path;
  if (auto home = hub_home_folder()) return *home / "hub";
  return std::nullopt;
}

HubRepository::HubRepository(const fs::path& cache, const HubId& id)
    : folder(cache / ("models--" + id.owner + "--" + id.name)),
      locks(cache / ".locks" / ("models--" + id.owner + "--" + id.name)) {}

Result<void> make_folders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return disk_failure(folder.string(), "cannot make the folder", error.value());
  return {};
}

Result<void> link_into_snapshot(const HubRepository& repository, const std::string& commit,
                                const std::string& file, const std::string& hash) {
  const fs::path link = repository.snapshot(commit) / file;
  // From the folder of the link: up through its folders, COMMIT and "snapshots".
  fs::path target = "../..";
  for (const char c : file) {
    if (c == '/') target /= "..";
  }
  target /= fs::path("blobs") / hash;
  std::error_code error;
  if (fs::is_symlink(fs::symlink_status(link, error)) && fs::read_symlink(link, error) == target) return {};
  Result<void> made = make_folders(link.parent_path());
  if (!made) return made;
  const fs::path temporary = beside(link);
  ::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0) {
    return disk_failure(link.string(), "cannot make a symbolic link", errno);
  }
  return rename_over(temporary, link);
}

Result<void> write_ref(const HubRepository& repository, const std::string& revision,
                       const std::string& commit) {
  if (revision == commit) return {};
  const fs::path ref = repository.ref(revision);
  Result<void> made = make_folders(ref.parent_path());
  if (!made) return made;
  const fs::path temporary = beside(ref);
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return disk_failure(ref.string(), "cannot write", errno);
  // A commit's forty bytes are written whole or not at all; a short count means a full disk.
  errno = ENOSPC;
  const bool written =
      ::write(descriptor, commit.data(), commit.size()) == static_cast<ssize_t>(commit.size()) &&
      ::fsync(descriptor) == 0;
  const int error = errno;
  ::close(descriptor);
  if (!written) {
    ::unlink(temporary.c_str());
    return disk_failure(ref.string(), "cannot write", error);
  }
  return rename_over(temporary, ref);
}

}  // namespace gemma
