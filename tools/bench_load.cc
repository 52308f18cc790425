#include "tools/bench_load.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "engine/process_memory.h"
#include "engine/resident_pages.h"

namespace gemma {
namespace {

// Reading a file once brings it into the page cache.
void bring_into_page_cache(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  std::vector<char> some(size_t{1} << 20);
  while (::read(file, some.data(), some.size()) > 0) {
  }
  ::close(file);
}

std::set<std::string> files_of(const Model& model) {
  std::set<std::string> files;
  for (const TensorInfo& tensor : model.source().tensors()) {
    if (!tensor.file.empty()) files.insert(tensor.file);
  }
  return files;
}

}  // namespace

bool drop_from_page_cache(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  struct stat about {};
  bool dropped = false;
  if (::fstat(file, &about) == 0 && about.st_size > 0) {
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    const size_t bytes = static_cast<size_t>(about.st_size);
    void* mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) {
      dropped = cached_bytes(mapped, bytes) < bytes / 100 + 1;
      ::munmap(mapped, bytes);
    }
  }
  ::close(file);
  return dropped;
}

Result<TimedLoad> timed_load(const std::string& name, const ModelOptions& options, bool cold) {
  TimedLoad timed;
  std::set<std::string> files;
  {
    ModelOptions headers = options;
    headers.weights = false;
    Result<std::unique_ptr<Model>> model = Model::load(name, headers);
    if (!model) return fail(std::move(model.error()));
    files = files_of(**model);
  }
  if (cold && !files.empty()) {
    bool dropped = true;
    for (const std::string& file : files) dropped = drop_from_page_cache(file) && dropped;
    if (dropped) {
      Result<std::unique_ptr<Model>> model = Model::load(name, options);
      if (!model) return fail(std::move(model.error()));
      timed.cold_seconds = (*model)->load_seconds();
    }
  }
  for (const std::string& file : files) bring_into_page_cache(file);
  reset_peak_resident();
  Result<std::unique_ptr<Model>> model = Model::load(name, options);
  if (!model) return fail(std::move(model.error()));
  timed.warm_seconds = (*model)->load_seconds();
  timed.peak_bytes = process_memory().peak_resident_bytes;
  timed.model = std::move(*model);
  return timed;
}

}  // namespace gemma
