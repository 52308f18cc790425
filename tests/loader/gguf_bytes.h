// The bytes of a GGUF file piece by piece, right or wrong: counts, lengths and offsets are what the test
// says.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "loader/gguf.h"

namespace gemma {

template <typename T>
std::string le_bytes(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

inline std::string gguf_text(std::string_view text) {
  return le_bytes(uint64_t{text.size()}) + std::string(text);
}

template <typename T>
std::string gguf_key(std::string_view key, GgufType type, T value) {
  return gguf_text(key) + le_bytes(static_cast<uint32_t>(type)) + le_bytes(value);
}
inline std::string gguf_key(std::string_view key, std::string_view value) {
  return gguf_text(key) + le_bytes(static_cast<uint32_t>(GgufType::kString)) + gguf_text(value);
}
// `items` are the bytes of `count` values.
inline std::string gguf_array(std::string_view key, GgufType type, uint64_t count, std::string_view items) {
  return gguf_text(key) + le_bytes(static_cast<uint32_t>(GgufType::kArray)) +
         le_bytes(static_cast<uint32_t>(type)) + le_bytes(count) + std::string(items);
}

// Extents as the file has them, columns first.
inline std::string gguf_tensor(std::string_view name, const std::vector<uint64_t>& extents, uint32_t type,
                               uint64_t offset) {
  std::string text = gguf_text(name) + le_bytes(static_cast<uint32_t>(extents.size()));
  for (uint64_t extent : extents) text += le_bytes(extent);
  return text + le_bytes(type) + le_bytes(offset);
}

struct GgufBytes {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::vector<std::string> keys, tensors;
  std::string data;
  uint64_t alignment = 32;  // of the data's begin
  int64_t key_count = -1;   // -1: as many as there are
  int64_t tensor_count = -1;

  std::string header() const {
    std::string text = magic + le_bytes(version);
    text += le_bytes(tensor_count < 0 ? uint64_t{tensors.size()} : static_cast<uint64_t>(tensor_count));
    text += le_bytes(key_count < 0 ? uint64_t{keys.size()} : static_cast<uint64_t>(key_count));
    for (const std::string& key : keys) text += key;
    for (const std::string& tensor : tensors) text += tensor;
    return text;
  }
  std::string file() const {
    std::string text = header();
    if (!data.empty()) text.resize((text.size() + alignment - 1) / alignment * alignment);
    return text + data;
  }
};

}  // namespace gemma
