// How a tensor's elements lie in a file: a plain element type, or blocks of integer levels that some format
// of quantized checkpoints defines. What the levels mean (scales, arithmetic) is kernels/stored_blocks.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gemma {

// Element types of safetensors that a text checkpoint can hold.
enum class Dtype : uint8_t { kBool, kU8, kI8, kI16, kU16, kF16, kBf16, kI32, kU32, kF32, kF64, kI64, kU64 };

size_t dtype_bytes(Dtype dtype);
std::string_view dtype_name(Dtype dtype);  // as safetensors spells it: "BF16"

enum class Encoding : uint8_t {
  kPlain,  // elements of a Dtype
  // GGUF: a row is blocks of 32, 32 or 256 columns (18, 34 and 210 bytes) that carry their scales.
  kQ4_0,
  kQ8_0,
  kQ6_K,
  // compressed-tensors "pack-quantized": int32 words, lowest bits first, level + 2^(bits-1).
  kPacked4,
  kPacked8,
  // The mobile format (quant_method "gemma"): bytes, lowest bits first, level + 2 or level + 8; 8-bit levels
  // are stored as they are. One float32 scale per row.
  kGemma2,
  kGemma4,
  kGemma8,
  // Our own: the whole matrix in a form that a kernel reads (kernels/pack.h); TensorInfo::panels names it.
  // It has no rows of its own and is read where it is mapped.
  kPanels,
};

std::string_view encoding_name(Encoding encoding);  // "plain", "Q4_0", "packed int4", ...

// Bits of a stored level; 0 for kPlain and kPanels.
int encoding_bits(Encoding encoding);

// Bytes of one row of `columns` elements; 0 for kPanels. `dtype` counts for kPlain only.
size_t encoded_row_bytes(Encoding encoding, Dtype dtype, size_t columns);

// Columns that lie together in a block, a word or a byte: a row begins with the bytes of any number of whole
// ones. 0 for kPanels.
size_t encoding_block(Encoding encoding);

}  // namespace gemma
