#include "kernels/kv_type.h"

namespace gemma::kernels {
namespace {

constexpr KvType kAll[] = {KvType::kF32, KvType::kBf16, KvType::kF16, KvType::kInt8};

}  // namespace

std::span<const KvType> all_kv_types() {
  return kAll;
}

std::string_view to_string(KvType type) {
  switch (type) {
    case KvType::kF32:
      return "f32";
    case KvType::kBf16:
      return "bf16";
    case KvType::kF16:
      return "f16";
    case KvType::kInt8:
      return "int8";
  }
  return "?";
}

std::optional<KvType> parse_kv_type(std::string_view name) {
  for (KvType type : kAll) {
    if (to_string(type) == name) return type;
  }
  return std::nullopt;
}

size_t bytes_per_number(KvType type) {
  switch (type) {
    case KvType::kF32:
      return sizeof(float);
    case KvType::kBf16:
    case KvType::kF16:
      return sizeof(uint16_t);
    case KvType::kInt8:
      return sizeof(int8_t);
  }
  return 0;
}

}  // namespace gemma::kernels
