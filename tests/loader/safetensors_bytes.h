// The bytes of a safetensors file around a header that a test spells out, right or wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gemma {

inline std::string length_bytes(uint64_t n) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(n >> shift & 0xff);
  return bytes;
}

inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return length_bytes(header.size()) + std::string(header) + std::string(data);
}

// One entry of a header: "name":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}
inline std::string entry(std::string_view name, std::string_view dtype, std::string_view shape,
                         std::string_view offsets) {
  std::string text = "\"";
  text.append(name).append("\":{\"dtype\":\"").append(dtype).append("\",\"shape\":").append(shape);
  return text.append(",\"data_offsets\":").append(offsets).append("}");
}

}  // namespace gemma
