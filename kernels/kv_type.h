// How keys and values are stored between the positions that wrote them and those that read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace gemma::kernels {

// kInt8: value = scale * level with one float32 scale for each key and each value of a head, made by
// KernelTable::quantize_activations of the row with levels up to kKvLevels.
enum class KvType : uint8_t { kF32, kBf16, kF16, kInt8 };

inline constexpr int kKvLevels = 127;

// Every type, in the order of the enumeration.
std::span<const KvType> all_kv_types();

// "f32", "bf16", "f16", "int8"
std::string_view to_string(KvType type);
std::optional<KvType> parse_kv_type(std::string_view name);

// Bytes of one stored number; a scale comes on top where has_scale().
size_t bytes_per_number(KvType type);
constexpr bool has_scale(KvType type) {
  return type == KvType::kInt8;
}

}  // namespace gemma::kernels
