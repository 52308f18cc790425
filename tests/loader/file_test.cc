// What a file leaves in the page cache. Opening and reading: memory_map_test.cc.
#include "loader/file.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/loader/temporary_folder.h"

namespace gemma {
namespace {

constexpr size_t kPages = 64;

// Which pages of a file lie in the page cache. The map is looked at, never read, so it brings none in.
std::vector<bool> cached_pages(const File& file) {
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t pages = (file.bytes() + page - 1) / page;
  void* map = ::mmap(nullptr, file.bytes(), PROT_READ, MAP_SHARED, file.descriptor(), 0);
  REQUIRE(map != MAP_FAILED);
  std::vector<unsigned char> marks(pages);
  REQUIRE(::mincore(map, file.bytes(), marks.data()) == 0);
  ::munmap(map, file.bytes());
  std::vector<bool> cached;
  for (const unsigned char mark : marks) cached.push_back((mark & 1) != 0);
  return cached;
}

// A file on the disk, so that its pages are clean, all of which have just been read.
class CachedFile {
 public:
  CachedFile() : page_(static_cast<size_t>(::sysconf(_SC_PAGESIZE))) {
    Result<File> file = File::open(folder_.write("f", std::string(kPages * page_, 'x')));
    REQUIRE(file);
    file_ = std::make_unique<File>(std::move(*file));
    REQUIRE(::fsync(file_->descriptor()) == 0);
  }

  std::vector<bool> cached_after_dropping(size_t first_page, size_t pages) {
    std::vector<std::byte> all(kPages * page_);
    REQUIRE(file_->read_at(0, all));
    file_->drop_cached(first_page * page_, pages * page_);
    return cached_pages(*file_);
  }

 private:
  TemporaryFolder folder_;
  size_t page_;
  std::unique_ptr<File> file_;
};

size_t count(const std::vector<bool>& pages) {
  return static_cast<size_t>(std::count(pages.begin(), pages.end(), true));
}

TEST_CASE("dropping some pages leaves the others in the page cache, and dropping none leaves all") {
  CachedFile file;
  if (count(file.cached_after_dropping(0, kPages)) > 0) {
    MESSAGE("this file system keeps what it was told to drop: nothing to be seen");
    return;
  }
  CHECK(count(file.cached_after_dropping(0, 0)) == kPages);
  CHECK(count(file.cached_after_dropping(16, 0)) == kPages);
  // The system may keep a page that shares a larger unit with others, but drops none that was not named.
  const std::vector<bool> cached = file.cached_after_dropping(16, 32);
  for (size_t page = 0; page < kPages; ++page) {
    CAPTURE(page);
    if (page < 16 || page >= 48) CHECK(cached[page]);
  }
}

}  // namespace
}  // namespace gemma
