// A checkpoint as the engine sees it: named tensors whose rows can be read. Files are one source
// (loader/checkpoint.h), random weights of a real shape another (engine/synthetic.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"

namespace gemma {

// Element types of safetensors that a text checkpoint can hold.
enum class Dtype : uint8_t { kBool, kU8, kI8, kI16, kU16, kF16, kBf16, kI32, kU32, kF32, kF64, kI64, kU64 };

size_t dtype_bytes(Dtype dtype);
std::string_view dtype_name(Dtype dtype);  // as safetensors spells it: "BF16"

struct TensorInfo {
  std::string name;           // canonical: what is left after the prefix, e.g. "layers.0.mlp.up_proj.weight"
  std::string stored_name;    // as the file spells it
  std::string file;           // path of the file that holds it; empty for synthetic ones
  std::vector<size_t> shape;  // outermost first; empty for a scalar
  Dtype dtype = Dtype::kF32;

  size_t elements() const;  // product of shape; 1 for a scalar
  size_t columns() const { return shape.empty() ? 1 : shape.back(); }
  size_t rows() const { return columns() == 0 ? 0 : elements() / columns(); }  // all but the last dimension
  size_t row_bytes() const { return columns() * dtype_bytes(dtype); }
  size_t bytes() const { return elements() * dtype_bytes(dtype); }
};

class TensorSource {
 public:
  virtual ~TensorSource() = default;

  // Every text tensor, sorted by canonical name. Vision and audio tensors are not listed.
  virtual std::span<const TensorInfo> tensors() const = 0;

  // The tensor of that canonical name, or nullptr.
  const TensorInfo* find(std::string_view name) const;

  // Rows [row0, row1) of the tensor seen as (rows, columns), little-endian, into `out` of exactly
  // (row1 - row0) * row_bytes() bytes. Reads with pread, so that a 64 KB page fault is not paid for a 5 KB
  // row and a file that shrank is an error, not a signal. Safe to call from many threads.
  virtual Result<void> read_rows(const TensorInfo& tensor, size_t row0, size_t row1,
                                 std::span<std::byte> out) const = 0;

  // The tensor's bytes if they lie in a memory map that lives as long as this source, else empty.
  // Alignment is whatever the file gives.
  virtual std::span<const std::byte> mapped(const TensorInfo& tensor) const = 0;
};

}  // namespace gemma
