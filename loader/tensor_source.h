// A checkpoint as the engine sees it: named tensors whose rows can be read. Files are one source
// (loader/checkpoint.h), random weights of a real shape another (engine/synthetic.h).
//
// A matrix that is stored quantized keeps the name it has when it is not ("layers.0.mlp.up_proj.weight"), its
// logical shape, and says by `encoding` how its rows are stored. What goes with it are plain tensors:
//   X.weight_scale             its scales, where the encoding has none inside: (rows, 1) or (rows, groups);
//                              in general the matrix's name with "_scale" behind it
//   X.input_activation_scale, X.output_activation_scale    static scales of the activations, one number each
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/encoding.h"
#include "loader/result.h"

namespace gemma {

struct TensorInfo {
  std::string name;           // canonical: what is left after the prefix, e.g. "layers.0.mlp.up_proj.weight"
  std::string stored_name;    // as the file spells it
  std::string file;           // path of the file that holds it; empty for synthetic ones
  std::vector<size_t> shape;  // outermost first, as computed with; empty for a scalar
  Dtype dtype = Dtype::kF32;  // of the stored elements; of packed ones, what they were made from
  Encoding encoding = Encoding::kPlain;
  std::string panels = {};   // of kPanels: what form, as kernels/pack.h spells it
  uint64_t panel_bytes = 0;  // of kPanels

  size_t elements() const;  // product of shape; 1 for a scalar
  size_t columns() const { return shape.empty() ? 1 : shape.back(); }
  size_t rows() const { return columns() == 0 ? 0 : elements() / columns(); }  // all but the last dimension
  size_t row_bytes() const { return encoded_row_bytes(encoding, dtype, columns()); }
  size_t bytes() const { return encoding == Encoding::kPanels ? panel_bytes : rows() * row_bytes(); }
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

  // Bytes [offset, offset + out.size()) of what mapped() shows, with pread: no page of the map is touched.
  // kInternal if nothing is mapped or the bytes do not lie inside. Safe to call from many threads.
  virtual Result<void> read_bytes(const TensorInfo& tensor, uint64_t offset, std::span<std::byte> out) const;

  // Says that these rows will not be read again soon, so that a file being read once does not push everything
  // else out of the page cache. Of kPanels only all rows together can go. Advice: it cannot fail, and a source
  // may ignore it.
  virtual void drop_rows(const TensorInfo& /*tensor*/, size_t /*row0*/, size_t /*row1*/) const {}

  // The scheme that the tensors were packed for (loader/packed_metadata.h); empty: none.
  virtual std::string_view declared_scheme() const { return {}; }
};

}  // namespace gemma
