#include "loader/encoding.h"

namespace gemma {

size_t dtype_bytes(Dtype dtype) {
  switch (dtype) {
    case Dtype::kBool:
    case Dtype::kU8:
    case Dtype::kI8:
      return 1;
    case Dtype::kI16:
    case Dtype::kU16:
    case Dtype::kF16:
    case Dtype::kBf16:
      return 2;
    case Dtype::kI32:
    case Dtype::kU32:
    case Dtype::kF32:
      return 4;
    case Dtype::kF64:
    case Dtype::kI64:
    case Dtype::kU64:
      return 8;
  }
  return 0;
}

std::string_view dtype_name(Dtype dtype) {
  switch (dtype) {
    case Dtype::kBool:
      return "BOOL";
    case Dtype::kU8:
      return "U8";
    case Dtype::kI8:
      return "I8";
    case Dtype::kI16:
      return "I16";
    case Dtype::kU16:
      return "U16";
    case Dtype::kF16:
      return "F16";
    case Dtype::kBf16:
      return "BF16";
    case Dtype::kI32:
      return "I32";
    case Dtype::kU32:
      return "U32";
    case Dtype::kF32:
      return "F32";
    case Dtype::kF64:
      return "F64";
    case Dtype::kI64:
      return "I64";
    case Dtype::kU64:
      return "U64";
  }
  return "?";
}

std::string_view encoding_name(Encoding encoding) {
  switch (encoding) {
    case Encoding::kPlain:
      return "plain";
    case Encoding::kQ4_0:
      return "Q4_0";
    case Encoding::kQ8_0:
      return "Q8_0";
    case Encoding::kQ6_K:
      return "Q6_K";
    case Encoding::kPacked4:
      return "packed int4";
    case Encoding::kPacked8:
      return "packed int8";
    case Encoding::kGemma2:
      return "mobile int2";
    case Encoding::kGemma4:
      return "mobile int4";
    case Encoding::kGemma8:
      return "mobile int8";
    case Encoding::kPanels:
      return "panels";
  }
  return "?";
}

int encoding_bits(Encoding encoding) {
  switch (encoding) {
    case Encoding::kGemma2:
      return 2;
    case Encoding::kQ4_0:
    case Encoding::kPacked4:
    case Encoding::kGemma4:
      return 4;
    case Encoding::kQ6_K:
      return 6;
    case Encoding::kQ8_0:
    case Encoding::kPacked8:
    case Encoding::kGemma8:
      return 8;
    case Encoding::kPlain:
    case Encoding::kPanels:
      break;
  }
  return 0;
}

size_t encoding_block(Encoding encoding) {
  switch (encoding) {
    case Encoding::kPlain:
    case Encoding::kGemma8:
      return 1;
    case Encoding::kGemma4:
      return 2;
    case Encoding::kGemma2:
    case Encoding::kPacked8:
      return 4;
    case Encoding::kPacked4:
      return 8;
    case Encoding::kQ4_0:
    case Encoding::kQ8_0:
      return 32;
    case Encoding::kQ6_K:
      return 256;
    case Encoding::kPanels:
      break;
  }
  return 0;
}

size_t encoded_row_bytes(Encoding encoding, Dtype dtype, size_t columns) {
  const size_t block = encoding_block(encoding);
  if (block == 0) return 0;
  const size_t blocks = columns / block + (columns % block != 0);
  switch (encoding) {
    case Encoding::kPlain:
      return blocks * dtype_bytes(dtype);
    case Encoding::kQ4_0:
      return blocks * 18;
    case Encoding::kQ8_0:
      return blocks * 34;
    case Encoding::kQ6_K:
      return blocks * 210;
    case Encoding::kPacked4:
    case Encoding::kPacked8:
      return blocks * 4;
    case Encoding::kGemma2:
    case Encoding::kGemma4:
    case Encoding::kGemma8:
      return blocks;
    case Encoding::kPanels:
      break;
  }
  return 0;
}

}  // namespace gemma
