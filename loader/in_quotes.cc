#include "loader/in_quotes.h"

#include <fmt/format.h>

namespace gemma {

std::string in_quotes(std::string_view text, size_t limit) {
  std::string out = "\"";
  for (char c : text.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte > 0x7e) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  if (text.size() <= limit) return out + "\"";
  return out + fmt::format("...\" ({} bytes)", text.size());
}

}  // namespace gemma
