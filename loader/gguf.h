// The GGUF format, versions 2 and 3 (little-endian), read strictly and memory-mapped:
//
//   "GGUF", u32 version, u64 tensor count, u64 key count
//   keys      string key, u32 type, value; a string is u64 length and bytes, an array u32 type, u64 count,
//             items
//   tensors   string name, u32 dimensions, u64 extents (columns first), u32 type, u64 offset
//   data      from the next multiple of general.alignment (32 if absent); every tensor begins on one, offsets
//             count from here, tensors follow one another without gap
//
// A file that opens has passed all of these, each with its own message: magic, version and byte order; counts
// and lengths within the file and the limits below; no key and no name twice, none empty or with a zero byte;
// value types known, booleans 0 or 1, arrays at most kMaxArrayDepth deep; alignment a power of two up to 1
// MiB; 1 to 4 dimensions, none 0, rows of whole blocks, sizes that do not overflow; types that we compute
// with; offsets aligned and ascending without gap or overlap, the last tensor and its padding ending where
// the file does. Source: docs/gguf.md of ggml.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/memory_map.h"
#include "loader/result.h"

namespace gemma {

inline constexpr uint64_t kMaxGgufHeader = uint64_t{256} << 20;  // bytes of keys and tensor list
inline constexpr uint64_t kMaxGgufKeys = uint64_t{1} << 16;
inline constexpr uint64_t kMaxGgufTensors = uint64_t{1} << 17;
inline constexpr int kMaxArrayDepth = 4;
inline constexpr uint64_t kGgufAlignment = 32;  // where general.alignment does not say otherwise

// Types of metadata values, as stored.
enum class GgufType : uint32_t {
  kU8 = 0,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};
std::string_view gguf_type_name(GgufType type);  // "uint32", "string", ...
size_t gguf_type_bytes(GgufType type);           // of one fixed-size value; 0 for strings and arrays

// Types of tensor elements that this program reads; the numbers are ggml's.
enum class GgufTensorType : uint32_t { kF32 = 0, kF16 = 1, kQ4_0 = 2, kQ8_0 = 8, kQ6_K = 14, kBf16 = 30 };
std::string_view gguf_tensor_type_name(GgufTensorType type);  // "Q4_0"
size_t gguf_block_columns(GgufTensorType type);               // 1 for the float types
size_t gguf_block_bytes(GgufTensorType type);

// Where a value lies in the header; GgufFile reads it.
struct GgufValue {
  GgufType type = GgufType::kU8;  // of an array: of its items
  bool is_array = false;
  uint64_t count = 1;  // items
  size_t begin = 0;    // first byte of the (first) value
  size_t end = 0;
};

struct GgufTensor {
  std::string name;
  GgufTensorType type = GgufTensorType::kF32;
  std::vector<size_t> shape;  // outermost first: the file's extents reversed
  uint64_t begin = 0;         // bytes, from the start of the file
  uint64_t bytes = 0;
};

// One mapped file. Views from mapped() and strings() end with it.
class GgufFile {
 public:
  // The header is read with pread, never through the map: nothing here faults on a file that shrinks.
  static Result<GgufFile> open(const std::string& path);

  const std::string& path() const { return map_.file().path(); }
  uint32_t version() const { return version_; }
  std::span<const GgufTensor> tensors() const { return tensors_; }  // in the order of their data
  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }
  const GgufValue* find(std::string_view key) const;

  // --- values; each wants one of the types it names and gives nothing (empty) for any other ---
  // Whole numbers of any width and booleans, as int64; a uint64 above its range reads as its largest.
  std::vector<int64_t> integers(const GgufValue& value) const;
  std::vector<double> numbers(const GgufValue& value) const;  // floats, and whole numbers too
  // Views into the header. Text may be anything, UTF-8 is not checked.
  std::vector<std::string_view> strings(const GgufValue& value) const;

  // Bytes [offset, offset + out.size()) of the tensor's data; the caller keeps them inside the tensor.
  Result<void> read(const GgufTensor& tensor, uint64_t offset, std::span<std::byte> out) const;
  std::span<const std::byte> mapped(const GgufTensor& tensor) const;

 private:
  explicit GgufFile(MemoryMap map) : map_(std::move(map)) {}

  MemoryMap map_;
  uint32_t version_ = 0;
  std::string header_;  // the file's first bytes, as far as the tensor list reaches
  std::map<std::string, GgufValue, std::less<>> values_;
  std::vector<GgufTensor> tensors_;
};

}  // namespace gemma
