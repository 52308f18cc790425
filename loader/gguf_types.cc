#include <array>

#include "loader/gguf.h"

namespace gemma {
namespace {

struct ValueRow {
  std::string_view name;
  size_t bytes;
};
constexpr std::array<ValueRow, 13> kValues = {{{"uint8", 1},
                                               {"int8", 1},
                                               {"uint16", 2},
                                               {"int16", 2},
                                               {"uint32", 4},
                                               {"int32", 4},
                                               {"float32", 4},
                                               {"bool", 1},
                                               {"string", 0},
                                               {"array", 0},
                                               {"uint64", 8},
                                               {"int64", 8},
                                               {"float64", 8}}};

struct TensorRow {
  std::string_view name;
  size_t columns;
  size_t bytes;
};
TensorRow tensor_row(GgufTensorType type) {
  switch (type) {
    case GgufTensorType::kF32:
      return {"F32", 1, 4};
    case GgufTensorType::kF16:
      return {"F16", 1, 2};
    case GgufTensorType::kBf16:
      return {"BF16", 1, 2};
    case GgufTensorType::kQ4_0:
      return {"Q4_0", 32, 18};
    case GgufTensorType::kQ8_0:
      return {"Q8_0", 32, 34};
    case GgufTensorType::kQ6_K:
      return {"Q6_K", 256, 210};
  }
  return {"?", 1, 0};
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  return kValues[static_cast<size_t>(type)].name;
}
size_t gguf_type_bytes(GgufType type) {
  return kValues[static_cast<size_t>(type)].bytes;
}
std::string_view gguf_tensor_type_name(GgufTensorType type) {
  return tensor_row(type).name;
}
size_t gguf_block_columns(GgufTensorType type) {
  return tensor_row(type).columns;
}
size_t gguf_block_bytes(GgufTensorType type) {
  return tensor_row(type).bytes;
}

}  // namespace gemma
