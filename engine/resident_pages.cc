#include "engine/resident_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>

namespace gemma {
namespace {

// Bits of a page's entry, as proc_pid_pagemap(5) numbers them.
constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr uint64_t kFileOrShared = uint64_t{1} << 61;
constexpr uint64_t kExclusive = uint64_t{1} << 56;

// The page of zeros that untouched anonymous memory reads from is present and neither; RSS leaves it out.
bool counts(uint64_t entry) {
  return (entry & kPresent) != 0 && (entry & (kFileOrShared | kExclusive)) != 0;
}

// Four times the machine's memory is more than weights and reserved caches side by side take, and less than
// most of what a sanitizer keeps for its shadow. To ask for its pages, 8 bytes each, would take minutes.
uintptr_t largest_of_ours() {
  static const uintptr_t bytes = 4 * static_cast<uintptr_t>(::sysconf(_SC_PHYS_PAGES)) * page_bytes();
  return bytes;
}

// "7f00-7f10 r--p 00000000 fe:01 123    /path"
bool parse(const std::string& line, Mapping& mapping) {
  const char* const end = line.data() + line.size();
  const auto [dash, bad_begin] = std::from_chars(line.data(), end, mapping.begin, 16);
  if (bad_begin != std::errc() || dash == end || *dash != '-') return false;
  const auto [blank, bad_end] = std::from_chars(dash + 1, end, mapping.end, 16);
  if (bad_end != std::errc() || mapping.end < mapping.begin) return false;
  size_t at = static_cast<size_t>(blank - line.data());
  const bool untouchable = line.compare(at, 4, " ---") == 0;
  for (int field = 0; field < 4; ++field) {
    at = line.find_first_not_of(' ', at);
    at = line.find(' ', at);
  }
  at = line.find_first_not_of(' ', at);
  mapping.path = at == std::string::npos ? "" : line.substr(at);
  const bool huge = !mapping.is_file() && mapping.end - mapping.begin > largest_of_ours();
  mapping.is_reservation = untouchable || huge;
  return true;
}

}  // namespace

size_t page_bytes() {
  static const size_t bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

Result<ResidentPages> ResidentPages::read() {
  constexpr char kHint[] = "memory by part needs Linux with /proc";
  ResidentPages pages;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    Mapping mapping;
    if (!parse(line, mapping))
      return fail(ErrorCode::kUnsupported, "/proc/self/maps", "cannot be read", kHint);
    // The kernel's own page at the end of the address space is no memory of ours.
    if (mapping.path != "[vsyscall]") pages.mappings_.push_back(std::move(mapping));
  }
  const int file = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (file < 0 || pages.mappings_.empty()) {
    if (file >= 0) ::close(file);
    return fail(ErrorCode::kUnsupported, "/proc/self/pagemap", "cannot be read", kHint);
  }
  std::vector<uint64_t> entries(size_t{1} << 16);
  bool whole = true;
  for (const Mapping& mapping : pages.mappings_) {
    const size_t n = mapping.is_reservation ? 0 : (mapping.end - mapping.begin) / page_bytes();
    std::vector<uint64_t> bits((n + 63) / 64);
    for (size_t first = 0; first < n && whole; first += entries.size()) {
      const size_t some = std::min(entries.size(), n - first);
      const size_t bytes = some * sizeof(uint64_t);
      const size_t offset = (mapping.begin / page_bytes() + first) * sizeof(uint64_t);
      whole = ::pread(file, entries.data(), bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
      for (size_t i = 0; i < some; ++i) {
        bits[(first + i) / 64] |= uint64_t{counts(entries[i])} << (first + i) % 64;
      }
    }
    pages.resident_.push_back(std::move(bits));
  }
  ::close(file);
  if (!whole) return fail(ErrorCode::kUnsupported, "/proc/self/pagemap", "ends early", kHint);
  return pages;
}

const Mapping* ResidentPages::find(const void* address) const {
  const auto at = reinterpret_cast<uintptr_t>(address);
  const auto after = std::upper_bound(mappings_.begin(), mappings_.end(), at,
                                      [](uintptr_t a, const Mapping& mapping) { return a < mapping.end; });
  return after != mappings_.end() && after->begin <= at ? &*after : nullptr;
}

uint64_t ResidentPages::bytes(uintptr_t begin, uintptr_t end) const {
  const size_t page = page_bytes();
  uint64_t total = 0;
  auto mapping = std::upper_bound(mappings_.begin(), mappings_.end(), begin,
                                  [](uintptr_t a, const Mapping& m) { return a < m.end; });
  for (; mapping != mappings_.end() && mapping->begin < end; ++mapping) {
    if (mapping->is_reservation) continue;
    const std::vector<uint64_t>& bits = resident_[static_cast<size_t>(mapping - mappings_.begin())];
    const uintptr_t from = std::max(begin, mapping->begin), to = std::min(end, mapping->end);
    for (uintptr_t at = from; at < to;) {
      const size_t index = (at - mapping->begin) / page;
      const uintptr_t next = std::min(to, mapping->begin + (index + 1) * page);
      if (index % 64 == 0 && next - at == page) {  // 64 pages that are all there, or none: one step
        const uintptr_t many = at + 64 * page;
        if (many <= to && (bits[index / 64] == 0 || bits[index / 64] == ~uint64_t{0})) {
          if (bits[index / 64] != 0) total += 64 * page;
          at = many;
          continue;
        }
      }
      if ((bits[index / 64] >> index % 64 & 1) != 0) total += next - at;
      at = next;
    }
  }
  return total;
}

uint64_t cached_bytes(const void* begin, size_t n) {
  if (n == 0) return 0;
  const size_t page = page_bytes();
  const auto address = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t first = address / page * page;
  std::vector<unsigned char> cached((address + n - first + page - 1) / page);
  if (::mincore(reinterpret_cast<void*>(first), cached.size() * page, cached.data()) != 0) return 0;
  uint64_t total = 0;
  for (size_t i = 0; i < cached.size(); ++i) {
    const uintptr_t from = std::max(address, first + i * page),
                    to = std::min(address + n, first + (i + 1) * page);
    if ((cached[i] & 1) != 0) total += to - from;
  }
  return total;
}

}  // namespace gemma
