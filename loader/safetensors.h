// The safetensors format: 8 bytes little-endian header length n, n bytes of JSON
//   {"__metadata__": {string: string},
//    "name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, ...}
// and the data, tensors one after the other without gap. Offsets count from the end of the header; alignment
// is whatever the header's length gives.
//
// A file that opens has passed all of these, each with its own message:
//   1  at least 8 bytes                          8  a whole number of bytes (F4 and F6 types)
//   2  n <= 100 000 000                          9  the offsets span exactly what dtype and shape need
//   3  n + 8 <= file length                     10  the last tensor ends where the file ends
//   4  the header is UTF-8                      11  the header begins with '{'
//   5  the exact JSON schema, dtypes known      12  no key twice
//   6  no gap, no overlap, begin <= end         13  after the closing brace only spaces
//   7  shape times width does not overflow
// 1-10 are those of the reference reader (safetensors/src/tensor.rs of Hugging Face), 11-13 the format's
// rules that it lets pass. Zero-sized tensors, scalars and a header without tensors are allowed. Empty names
// and names with a zero byte are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/memory_map.h"
#include "loader/result.h"
#include "loader/tensor_source.h"

namespace gemma {

constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;  // bytes

struct SafetensorsTensor {
  std::string name;
  std::string_view dtype_text;  // as stored, one of the format's words (static storage)
  std::optional<Dtype> dtype;   // absent for F4, F6_*, F8_*, C64: valid, but nothing we compute with
  std::vector<size_t> shape;    // outermost first; the product of all extents, zeros left out, fits 63 bits
  uint64_t begin = 0, end = 0;  // bytes, from the end of the header
};

struct SafetensorsHeader {
  std::vector<SafetensorsTensor> tensors;  // in the order of their data
  std::map<std::string, std::string> metadata;
};

// Checks 4 to 13 on the text of a header. `data_bytes` is the file's length behind it, `file` names it in
// errors.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view header, uint64_t data_bytes,
                                                   const std::string& file);

// One mapped file. Views from mapped() end with it.
class SafetensorsFile {
 public:
  // The header is read with pread, never through the map: nothing here faults on a file that shrinks.
  static Result<SafetensorsFile> open(const std::string& path);

  const std::string& path() const { return map_.file().path(); }
  std::span<const SafetensorsTensor> tensors() const { return header_.tensors; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }

  // Bytes [offset, offset + out.size()) of the tensor's data; the caller keeps them inside the tensor.
  Result<void> read(const SafetensorsTensor& tensor, uint64_t offset, std::span<std::byte> out) const;
  std::span<const std::byte> mapped(const SafetensorsTensor& tensor) const;
  // Those bytes of the tensor will not be read again soon (File::drop_cached).
  void drop(const SafetensorsTensor& tensor, uint64_t offset, uint64_t bytes) const;

 private:
  SafetensorsFile(MemoryMap map, SafetensorsHeader header, uint64_t data_start);

  MemoryMap map_;
  SafetensorsHeader header_;
  uint64_t data_start_;
};

}  // namespace gemma
