#include "engine/memory_report.h"

#include <link.h>
#include <pthread.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "engine/heap_blocks.h"
#include "engine/memory_inventory.h"
#include "engine/resident_pages.h"

namespace gemma {
namespace {

struct Interval {
  uintptr_t begin = 0, end = 0;
};

uintptr_t address_of(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

uintptr_t page_end(uintptr_t address) {
  return (address + page_bytes() - 1) / page_bytes() * page_bytes();
}

// What of `whole` lies in none of the intervals, which are sorted and do not overlap.
std::vector<Interval> without(Interval whole, const std::vector<Interval>& taken) {
  std::vector<Interval> left;
  auto next = std::upper_bound(taken.begin(), taken.end(), whole.begin,
                               [](uintptr_t at, const Interval& interval) { return at < interval.end; });
  for (; next != taken.end() && next->begin < whole.end; ++next) {
    if (next->begin > whole.begin) left.push_back({whole.begin, next->begin});
    whole.begin = std::max(whole.begin, next->end);
  }
  if (whole.begin < whole.end) left.push_back(whole);
  return left;
}

// The loaded program and libraries as the dynamic linker placed them: code, constants and static variables,
// those without bytes in the file (.bss) included.
std::vector<Interval> loaded_segments() {
  std::vector<Interval> segments;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* argument) {
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& header = info->dlpi_phdr[i];
          if (header.p_type != PT_LOAD) continue;
          const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
          static_cast<std::vector<Interval>*>(argument)->push_back(
              {begin / page_bytes() * page_bytes(), page_end(begin + header.p_memsz)});
        }
        return 0;
      },
      &segments);
  return segments;
}

thread_local char thread_anchor;  // lies where this thread's variables are

// Stacks of the team's threads. The first thread is the program's own: its stack is the mapping "[stack]",
// and its variables lie in a mapping that the dynamic linker made.
std::vector<Interval> stacks(const ThreadTeam& team, const ResidentPages& pages) {
  std::vector<Interval> found(team.size());
  const void* own_variables = nullptr;
  team.parallel_for(team.size(), 1, [&](size_t begin, size_t end, size_t thread) {
    if (begin == end) return;
    if (thread == 0) {
      own_variables = &thread_anchor;
      return;
    }
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
    void* address = nullptr;
    size_t bytes = 0;
    if (pthread_attr_getstack(&attributes, &address, &bytes) == 0) {
      found[thread] = {address_of(address), address_of(address) + bytes};
    }
    pthread_attr_destroy(&attributes);
  });
  for (const Mapping& mapping : pages.mappings()) {
    if (mapping.path == "[stack]") found[0] = {mapping.begin, mapping.end};
  }
  const Mapping* variables = pages.find(own_variables);
  // Beside a larger neighbour of the same kind the kernel joins mappings; then it is not ours to claim whole.
  constexpr uintptr_t kMost = uintptr_t{1} << 20;
  if (variables != nullptr && variables->path.empty() && variables->end - variables->begin <= kMost) {
    found.push_back({variables->begin, variables->end});
  }
  return found;
}

// The accounting of one snapshot, part after part.
class Accounting {
 public:
  Accounting(const ResidentPages& pages, std::vector<MemoryRange> ranges) : pages_(pages) {
    for (const MemoryRange& range : ranges) {
      if (range.bytes > 0) ranges_.push_back(range);
    }
    std::sort(ranges_.begin(), ranges_.end(),
              [](const MemoryRange& a, const MemoryRange& b) { return a.begin < b.begin; });
  }

  void listed() {
    for (const MemoryRange& range : ranges_) {
      MemoryLine& line = line_of({range.part, range.tensor_class, range.layer, range.mapped});
      const uintptr_t begin = address_of(range.begin);
      uintptr_t end = begin + range.bytes;
      const bool heap = !range.mapped && is_heap(range.begin);
      // A buffer that is a mapping of its own has its last page to itself.
      if (!range.mapped && !heap && begin % page_bytes() == 0) end = page_end(end);
      const uint64_t resident = pages_.bytes(begin, end);
      line.reserved_bytes += end - begin;
      line.resident_bytes += resident;
      if (range.mapped) {
        line.cached_bytes += cached_bytes(range.begin, range.bytes);
        mapped_.push_back({begin, end});
      } else if (heap) {
        heap_starts_.push_back(begin);
        heap_listed_ += resident;
      } else {
        taken_.push_back({begin, end});
      }
    }
  }

  void code() {
    MemoryLine& line = line_of({MemoryPart::kCode});
    const std::vector<Interval> segments = loaded_segments();
    for (const Mapping& mapping : pages_.mappings()) {
      const bool system = mapping.path == "[vdso]";
      if (!mapping.is_file() && !system) continue;
      if (holds_weights(mapping)) continue;
      add(line, {mapping.begin, mapping.end});
    }
    for (const Interval& segment : segments) {
      for (const Mapping& mapping : pages_.mappings()) {
        if (!mapping.path.empty()) continue;
        const Interval both{std::max(segment.begin, mapping.begin), std::min(segment.end, mapping.end)};
        if (both.begin < both.end) add(line, both);
      }
    }
  }

  // `files`: the checkpoint's mapped files as the mappings that hold a tensor of it.
  void files(const TensorSource& source) {
    for (const TensorInfo& tensor : source.tensors()) {
      const std::span<const std::byte> bytes = source.mapped(tensor);
      const Mapping* mapping = bytes.empty() ? nullptr : pages_.find(bytes.data());
      if (mapping != nullptr && !holds_weights(*mapping)) files_.push_back({mapping->begin, mapping->end});
    }
    if (files_.empty()) return;
    MemoryLine& line = line_of({MemoryPart::kFileRest});
    std::sort(mapped_.begin(), mapped_.end(),
              [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
    for (const Interval& file : files_) {
      for (const Interval& rest : without(file, mapped_)) {
        line.reserved_bytes += rest.end - rest.begin;
        line.resident_bytes += pages_.bytes(rest.begin, rest.end);
      }
    }
  }

  void thread_stacks(const ThreadTeam& team) {
    MemoryLine& line = line_of({MemoryPart::kStacks});
    for (const Interval& stack : stacks(team, pages_)) {
      if (stack.begin < stack.end) add(line, stack);
    }
  }

  // After all others: the heap's pages are looked for where nothing else is.
  void heap(const ThreadTeam& team) {
    if (!heap_is_open()) return;
    std::sort(taken_.begin(), taken_.end(),
              [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
    std::sort(heap_starts_.begin(), heap_starts_.end());
    uint64_t reserved = 0, resident = 0;
    for (const Mapping& mapping : pages_.mappings()) {
      if (mapping.is_file()) continue;
      for (const Interval& gap : without({mapping.begin, mapping.end}, taken_)) {
        constexpr uintptr_t kStep = uintptr_t{1} << 16;  // mimalloc's heap is made of slices of that size
        for (uintptr_t at = gap.begin; at < gap.end;) {
          const uintptr_t next = std::min((at / kStep + 1) * kStep, gap.end);
          if (is_heap(reinterpret_cast<const void*>(at))) {
            reserved += next - at;
            resident += pages_.bytes(at, next);
          }
          at = next;
        }
      }
    }
    // A block that holds a listed range is accounted for; the bytes around the range are the allocator's.
    const uint64_t objects = sum_over_heap_blocks(team, [&](const void* block, size_t bytes) -> uint64_t {
      const uintptr_t begin = address_of(block);
      const auto listed = std::lower_bound(heap_starts_.begin(), heap_starts_.end(), begin);
      if (listed != heap_starts_.end() && *listed < begin + bytes) return 0;
      return pages_.bytes(begin, begin + bytes);
    });
    const uint64_t in_use = std::min(resident, objects + heap_listed_);
    MemoryLine& line = line_of({MemoryPart::kObjects});
    line.reserved_bytes += objects;
    line.resident_bytes += objects;
    MemoryLine& slack = line_of({MemoryPart::kAllocator});
    slack.reserved_bytes += reserved - std::min(reserved, in_use);
    slack.resident_bytes += resident - in_use;
  }

  std::vector<MemoryLine> lines() const {
    std::vector<MemoryLine> all;
    for (const auto& [key, line] : lines_) all.push_back(line);
    return all;
  }

 private:
  struct Key {
    MemoryPart part = MemoryPart::kObjects;
    TensorClass tensor_class = TensorClass::kFloat;
    std::optional<size_t> layer = {};
    bool mapped = false;
    auto tie() const { return std::tie(part, tensor_class, layer, mapped); }
    bool operator<(const Key& other) const { return tie() < other.tie(); }
  };

  MemoryLine& line_of(const Key& key) {
    MemoryLine& line = lines_[key];
    line.part = key.part;
    line.tensor_class = key.tensor_class;
    line.layer = key.layer;
    line.mapped = key.mapped;
    return line;
  }

  void add(MemoryLine& line, Interval interval) {
    line.reserved_bytes += interval.end - interval.begin;
    line.resident_bytes += pages_.bytes(interval.begin, interval.end);
    taken_.push_back(interval);
  }

  bool holds_weights(const Mapping& mapping) const {
    return std::any_of(files_.begin(), files_.end(),
                       [&](const Interval& file) { return file.begin == mapping.begin; });
  }

  const ResidentPages& pages_;
  std::vector<MemoryRange> ranges_;  // listed, by address
  std::map<Key, MemoryLine> lines_;
  std::vector<Interval> mapped_;        // listed, in files
  std::vector<Interval> taken_;         // everything else that is accounted for, outside the heap
  std::vector<Interval> files_;         // mapped checkpoints
  std::vector<uintptr_t> heap_starts_;  // listed ranges in the heap
  uint64_t heap_listed_ = 0;            // their resident bytes
};

}  // namespace

uint64_t MemoryReport::resident(MemoryPart part) const {
  uint64_t bytes = 0;
  for (const MemoryLine& line : lines) bytes += line.part == part ? line.resident_bytes : 0;
  return bytes;
}

uint64_t MemoryReport::reserved(MemoryPart part) const {
  uint64_t bytes = 0;
  for (const MemoryLine& line : lines) bytes += line.part == part ? line.reserved_bytes : 0;
  return bytes;
}

uint64_t unaccounted_limit(const MemoryReport& report) {
  return std::max<uint64_t>(report.process.resident_bytes / 100, 2'000'000);
}

Result<MemoryReport> memory_report(const Model& model, const Session* session) {
  std::vector<MemoryRange> ranges = list_memory(model, session);
  Result<ResidentPages> pages = ResidentPages::read();
  if (!pages) return fail(std::move(pages.error()));
  MemoryReport report;
  report.process = process_memory();
  Accounting accounting(*pages, std::move(ranges));
  accounting.listed();
  accounting.files(model.source());
  accounting.code();
  accounting.thread_stacks(model.team());
  accounting.heap(model.team());
  report.lines = accounting.lines();
  report.heap_is_open = heap_is_open();
  if (session != nullptr) report.kv_used_bytes = session->kv_used_bytes();
  const TensorInfo* table = model.source().find("embed_tokens_per_layer.weight");
  if (table != nullptr && !table->file.empty()) report.ple_file_bytes = table->bytes();
  for (const MemoryLine& line : report.lines) report.accounted_bytes += line.resident_bytes;
  report.unaccounted_bytes =
      static_cast<int64_t>(report.process.resident_bytes) - static_cast<int64_t>(report.accounted_bytes);
  return report;
}

}  // namespace gemma
